// Cuts a provider's bytes into messages, whatever the framing. One line a framing; the response's content type has the
// last word on which it is, because providers answer errors and short replies in another than the one they were asked for.
import type { Target } from '../../core/directory.ts'
import type { Dialect, Frame, Framing } from '../../dialects/dialect.ts'
import { createEventStreamFramer } from './event-stream.ts'
import { createJsonArrayFramer } from './json-array.ts'
import { createLineFramer, type LineFramer } from './ndjson.ts'
import { createSseFramer } from './sse.ts'
import { createWholeFramer } from './whole.ts'

export interface Framer {
  /** The messages that `chunk` completes, in order. Any way of cutting a stream into chunks gives the same messages. What
   *  can't be cut is a message whose event is `error`, and nothing is read after it. */
  push(chunk: Uint8Array): readonly Frame[]
  /** What was still open when the stream ended. */
  end(): readonly Frame[]
}

const framings: Readonly<Record<Framing, () => Framer>> = {
  sse: () => textFramer(createSseFramer()),
  ndjson: () => textFramer(createLineFramer()),
  'json-array': () => textFramer(createJsonArrayFramer()),
  whole: () => textFramer(createWholeFramer()),
  'event-stream': createEventStreamFramer,
}

const BY_CONTENT_TYPE: readonly (readonly [RegExp, Framing])[] = [
  [/^text\/event-stream\b/i, 'sse'],
  // Cohere's older API says `application/stream+json`.
  [/^application\/(?:x-)?(?:ndjson|jsonl|jsonlines|stream\+json)\b/i, 'ndjson'],
  [/^application\/vnd\.amazon\.eventstream\b/i, 'event-stream'],
]

/** JSON where events were asked for: one array, piece by piece, or one answer; or events under a wrong name. */
const PLAIN_JSON = /^application\/json\s*(?:;|$)/i

/** A framer for one stream of that content type; `usual` where the type says nothing. */
export function createFramer(contentType: string | null, usual: Framing): Framer {
  const told = contentType === null ? undefined : BY_CONTENT_TYPE.find(([pattern]) => pattern.test(contentType))
  if (usual === 'sse' && contentType !== null && PLAIN_JSON.test(contentType)) return textFramer(createGuessingFramer())
  return framings[told?.[1] ?? usual]()
}

/** Takes its first character for what it is: of JSON, or of an event. */
function createGuessingFramer(): LineFramer {
  let framer: LineFramer | null = null
  return {
    push(text) {
      const start = framer === null ? /[^\s\ufeff]/.exec(text) : null
      if (start !== null) framer = /[[{]/.test(start[0]) ? createJsonArrayFramer() : createSseFramer()
      return framer?.push(text) ?? []
    },
    end: () => framer?.end() ?? [],
  }
}

/** A framer for one stream of that target's. */
export function framerFor(dialect: Dialect, target: Target, contentType: string | null): Framer {
  const declared = dialect.framingOf?.(target) ?? null
  return declared === null ? createFramer(contentType, dialect.framing) : framings[declared]()
}

/** Decodes a stream's text. Keeps a byte order mark: it is the provider's, and the framer knows what it is. */
export function streamDecoder(): TextDecoder {
  return new TextDecoder('utf-8', { fatal: false, ignoreBOM: true })
}

/** Feeds a framer of text with bytes. */
function textFramer(framer: LineFramer): Framer {
  const decoder = streamDecoder()
  return {
    push: (chunk) => framer.push(decoder.decode(chunk, { stream: true })),
    end: () => framer.end(),
  }
}
