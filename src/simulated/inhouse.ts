// A model server that somebody wrote in an afternoon: paths and names of its own, a stream of bare JSON lines in odd lumps,
// each with all the text so far, errors in a place of their own. For backends that are described by data. Pure.
import type { Json, JsonObject } from '../core/json.ts'
import type { Result } from '../core/result.ts'
import { NOT_JSON, plainRefusal, readAsChat, refuseBearer, textOf } from './plain-provider.ts'
import type { Ask, Refusal, Reply, ReplyFrame, SimulatedProvider } from './provider.ts'

const STATES = { stop: 'done', length: 'full', 'tool-calls': 'done' } as const
/** Pieces that go out together, over and over. */
const LUMPS = [1, 5, 2, 9, 3]

/** The server's wire. */
export const inhouse: SimulatedProvider = {
  name: 'inhouse',
  refuse: refuseBearer,
  read,
  notJson: NOT_JSON,
  whole: (reply) => lastLine(reply, textOf(reply.choices[0]?.parts ?? [], 'text') ?? ''),
  frames,
  streamType: () => 'text/plain',
  headers: () => ({}),
  refusalFor: plainRefusal,
  failureBody,
  failureFrame: (refusal) => `${JSON.stringify(failureBody(refusal))}\n`,
  garbageFrame: '{"out":{"te\n',
  models: (names) => ({ engines: names }),
}

/** `turns`, `limit`, `live`; the model stands in the path. */
function read(body: JsonObject, url: URL): Result<Ask, Refusal> {
  const { turns, limit, live } = body
  const model = decodeURIComponent(url.pathname.split('/')[3] ?? '')
  return readAsChat({ model, messages: turns, max_tokens: limit }, { isStreamed: live === true })
}

function failureBody({ message, status }: Refusal): JsonObject {
  return { problem: { text: message, kind: status === 429 ? 'too_many_requests' : 'failed' } }
}

function lastLine(reply: Reply, text: string): Json {
  const { usage } = reply
  const finish = reply.choices[0]?.finish
  return {
    ticket: reply.id,
    out: { text },
    state: finish === null ? 'run' : STATES[finish ?? 'stop'],
    ...(usage === null ? {} : { count: { in: usage.input, out: usage.output } }),
  }
}

function* frames(reply: Reply): Generator<ReplyFrame> {
  let text = ''
  let lump = 0
  let tokens = 0
  const line = (): string => `${JSON.stringify({ ticket: reply.id, out: { text }, state: 'run' })}\n`
  for (const part of reply.choices[0]?.parts ?? []) {
    if (part.kind !== 'text') continue
    for (const piece of part.pieces()) {
      text += piece
      tokens += 1
      if (tokens < (LUMPS[lump % LUMPS.length] ?? 1)) continue
      yield { kind: 'content', text: line(), tokens }
      tokens = 0
      lump += 1
    }
  }
  if (tokens > 0) yield { kind: 'content', text: line(), tokens }
  yield { kind: 'ending', text: `${JSON.stringify(lastLine(reply, text))}\n`, tokens: 0 }
}
