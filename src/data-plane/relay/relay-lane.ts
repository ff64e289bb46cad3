// A provider's bytes on their way to the client untouched, whatever they are: sound, pictures, JSON, streams of events. What
// is known of their form is used to find the usage they report and the failure they may carry; nothing else is looked at.
import type { UpstreamFailure } from '../../core/failure.ts'
import { type JsonObject, isJsonObject, parseJson } from '../../core/json.ts'
import type { NeutralEvent } from '../../core/neutral.ts'
import type { Usage } from '../../core/money/usage.ts'
import type { Frame } from '../../dialects/dialect.ts'
import { readErrorBody } from '../../dialects/failures/provider-error.ts'
import { stringOf } from '../../wire/read.ts'
import { type Framer, createFramer } from '../framing/index.ts'
import { BROKEN_OFF, type Lane, type LaneStep } from '../answer/lane.ts'

/** What is understood of a relayed reply. */
export interface ReplyWatch {
  push(chunk: Uint8Array): UpstreamFailure | null
  end(): UpstreamFailure | null
  readonly usage: Usage | null
  readonly visibleChars: number
  /** Whether a break at this point leaves the client with a whole reply. */
  readonly isComplete: boolean
}

/** The lane of bytes that pass untouched. */
export function relayLane(watch: ReplyWatch): Lane {
  return new RelayLane(watch)
}

class RelayLane implements Lane {
  hasContent = false
  /** Whether the provider told of its failure itself. */
  #isTold = false
  readonly events: readonly NeutralEvent[] | null = null
  readonly #watch: ReplyWatch

  constructor(watch: ReplyWatch) {
    this.#watch = watch
  }

  get isComplete(): boolean {
    return this.#watch.isComplete
  }

  get usage(): Usage | null {
    return this.#watch.usage
  }

  get visibleChars(): number {
    return this.#watch.visibleChars
  }

  push(chunk: Uint8Array): LaneStep {
    const failure = this.#watch.push(chunk)
    this.#isTold ||= failure !== null
    this.hasContent ||= chunk.byteLength > 0 && (failure === null || this.#watch.visibleChars > 0)
    // A failure that comes first is told by status; later ones are in the bytes, in the provider's own words.
    return this.hasContent ? { out: chunk, failure: null } : { out: null, failure }
  }

  end(): LaneStep {
    const failure = this.#watch.end()
    return { out: null, failure: this.#isTold && this.hasContent ? null : failure }
  }
}

/** Nothing is known of the bytes. */
export function blindWatch(): ReplyWatch {
  return { push: () => null, end: () => null, usage: null, visibleChars: 0, isComplete: false }
}

/** Text kept of a JSON reply: its beginning up to here, and as much of its end. Characters. */
const KEPT_CHARS_MAX = 262_144

/** A JSON reply in one piece. Small ones are read whole; of larger ones (pictures) the usage is looked for at the end. */
export function jsonWatch(read: (reply: JsonObject) => Usage | null): ReplyWatch {
  const decoder = new TextDecoder()
  let head = ''
  let tail = ''
  const watch: ReplyWatch & { usage: Usage | null } = {
    usage: null,
    visibleChars: 0,
    isComplete: false,
    push(chunk: Uint8Array) {
      const text = decoder.decode(chunk, { stream: true })
      if (head.length < KEPT_CHARS_MAX) head += text
      else tail = (tail + text).slice(-KEPT_CHARS_MAX)
      return null
    },
    end() {
      const reply = parseJson(tail === '' ? head : endOf(tail))
      if (isJsonObject(reply)) watch.usage = read(reply)
      return null
    },
  }
  return watch
}

/** Members that tell usage; providers write them last. */
const COUNTS = ['"usage"', '"usageMetadata"', '"meta"', '"prompt_eval_count"', '"inputTextTokenCount"']

/** The members from the usage on, as an object of their own. */
function endOf(tail: string): string {
  const at = Math.max(...COUNTS.map((name) => tail.lastIndexOf(name)))
  return at === -1 ? '' : `{${tail.slice(at)}`
}

interface FrameMeter extends Pick<ReplyWatch, 'usage' | 'visibleChars' | 'isComplete'> {
  see(frame: Frame): UpstreamFailure | null
}

/** A stream of events. `see` looks at each: the failure it carries, if any. `knowsEnd`: one that ends before it is complete has
 *  broken off. */
export function streamWatch(framer: Framer, meter: FrameMeter, knowsEnd: boolean): ReplyWatch {
  const seen = (frames: readonly Frame[]): UpstreamFailure | null => {
    for (const frame of frames) {
      const failure = meter.see(frame)
      if (failure !== null) return failure
    }
    return null
  }
  return {
    push: (chunk) => seen(framer.push(chunk)),
    end: () => seen(framer.end()) ?? (meter.isComplete || !knowsEnd ? null : BROKEN_OFF),
    get usage() {
      return meter.usage
    },
    get visibleChars() {
      return meter.visibleChars
    },
    get isComplete() {
      return meter.isComplete
    },
  }
}

/** A stream of a task: events with a type, of which one that is done reports the usage. */
export function taskStreamWatch(contentType: string, read: (event: JsonObject) => Usage | null): ReplyWatch {
  const meter: FrameMeter & { usage: Usage | null; isComplete: boolean } = {
    usage: null,
    visibleChars: 0,
    isComplete: false,
    see(frame: Frame): UpstreamFailure | null {
      // Partial pictures are megabytes: only what may count or complain is parsed.
      if (frame.data === '[DONE]') meter.isComplete = true
      const event = /"usage"|"error"|\.(?:done|completed)"/.test(frame.data) ? parseJson(frame.data) : null
      if (!isJsonObject(event)) return null
      if (isJsonObject(event['error'])) return readErrorBody(event)
      meter.usage = read(event) ?? meter.usage
      if (/\.(?:done|completed)$/.test(stringOf(event['type']) ?? '')) meter.isComplete = true
      return null
    },
  }
  return streamWatch(createFramer(contentType, 'sse'), meter, true)
}
