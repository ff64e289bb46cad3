// Writes a reply in a protocol and reads it back as a client of that wire would: what must have survived, and what the
// protocol declares that it has no place for.
import { fold, unfold } from '../../src/core/reply/fold.ts'
import type { Wire } from '../../src/core/directory.ts'
import type { Failure } from '../../src/core/failure.ts'
import { isJsonObject, parseJson } from '../../src/core/json.ts'
import type { NeutralChoice, NeutralEvent, NeutralPart, NeutralReply } from '../../src/core/neutral.ts'
import { completionTokens, promptTokens } from '../../src/core/money/usage.ts'
import { createFramer } from '../../src/data-plane/framing/index.ts'
import { dialects } from '../support/registries.ts'
import type { Dialect } from '../../src/dialects/dialect.ts'
import type { Protocol, ReplyFeature } from '../../src/protocols/protocol.ts'
import { TARGET } from '../support/target.ts'

/** How writing went: everything survived, something has no place by name, or something is wrong. */
export interface Verdict {
  readonly gaps: readonly ReplyFeature[]
  readonly failure: string | null
}

/** Writes `events` as a stream and whole, and compares what comes back. */
export function judge(protocol: Protocol, events: readonly NeutralEvent[]): Verdict {
  const mirror = Object.values(dialects).find((dialect) => dialect.wire === protocol.wire)
  if (mirror === undefined) return { gaps: [], failure: `no dialect reads ${protocol.wire} back` }
  const reply = fold(events)
  if (reply.failure !== null) return { gaps: [], failure: judgeFailure(protocol, mirror, reply, events) }
  const hides = protocol.hides ?? new Set<ReplyFeature>()
  const gaps = [...hides].filter((feature) => holds(reply, feature, protocol.wire))
  const told = (said: NeutralReply): string => JSON.stringify(essence(said, hides, protocol.wire))
  const expected = told(reply)
  const whole = fold(mirror.read(parseJson(JSON.stringify(protocol.write(reply, CONTEXT))) ?? null, TARGET))
  if (told(whole) !== expected) {
    return { gaps, failure: `whole: ${expected} became ${told(whole)}` }
  }
  for (const [name, pushed] of [
    ['as it came', events],
    ['in one delta', unfold(reply)],
  ] as const) {
    const streamed = told(readBack(mirror, streamText(protocol, pushed, true)))
    if (streamed !== expected) return { gaps, failure: `stream ${name}: ${expected} became ${streamed}` }
  }
  return { gaps, failure: null }
}

const CONTEXT = { id: 'reply-1', createdSeconds: 1_760_000_000, model: 'asked', wantsUsage: true, request: {} }

function streamText(protocol: Protocol, events: readonly NeutralEvent[], isEnded: boolean): string {
  const writer = protocol.writer(CONTEXT)
  const text = events.map((event) => writer.push(event)).join('')
  return isEnded ? text + writer.end() : text
}

function readBack(mirror: Dialect, text: string): NeutralReply {
  const framer = createFramer('text/event-stream', mirror.framing)
  const reader = mirror.reader(TARGET)
  const frames = [...framer.push(new TextEncoder().encode(text)), ...framer.end()]
  return fold([...frames.flatMap((frame) => reader.push(frame)), ...reader.end()])
}

/** A failure has to come out as one: an HTTP error with a message, and in a stream an error after what was said. */
function judgeFailure(
  protocol: Protocol,
  mirror: Dialect,
  reply: NeutralReply,
  events: readonly NeutralEvent[],
): string | null {
  if (reply.failure === null) return null
  const failure: Failure = { kind: 'upstream-failed', provider: 'any', upstream: reply.failure }
  const { status, headers, body } = protocol.fail(failure, 'req_1')
  if (status < 400) return `a failure was phrased with status ${status}`
  const told = mirror.fail(status, { get: (name) => headers[name] ?? null }, JSON.stringify(body), 0)
  if (told.message === '') return 'a failure without a message'
  const text = streamText(protocol, events, false) + protocol.failInStream(failure, 'req_1')
  return readBack(mirror, text).failure === null ? 'the failure was lost in the stream' : null
}

function holds(reply: NeutralReply, feature: ReplyFeature, wire: Wire): boolean {
  if (feature === 'choices') return reply.choices.length > 1
  if (feature === 'logprobs') return reply.choices.some((choice) => choice.logprobs !== undefined)
  if (feature === 'paused') return reply.choices.some((choice) => choice.finish === 'paused')
  return reply.choices.some((choice) => choice.parts.some((part) => partHolds(part, feature, wire)))
}

function partHolds(part: NeutralPart, feature: ReplyFeature, wire: Wire): boolean {
  if (feature === 'other') return part.kind === 'other' && part.wire !== wire
  if (feature === 'signature') {
    return (
      ('signature' in part && part.signature !== undefined) ||
      (part.kind === 'reasoning' && part.redacted !== undefined)
    )
  }
  if (feature === 'citation') return part.kind === 'text' && part.citations !== undefined
  return part.kind === feature
}

/** What a reply says, in a form in which two wires can be compared. */
function essence(reply: NeutralReply, hides: ReadonlySet<ReplyFeature>, wire: Wire): unknown {
  const choices = hides.has('choices') ? reply.choices.slice(0, 1) : reply.choices
  const usage = reply.usage === null ? null : [promptTokens(reply.usage), completionTokens(reply.usage)]
  return {
    choices: choices.map((choice) => essenceOf(choice, hides, wire)),
    usage,
    failure: reply.failure?.message ?? null,
  }
}

function essenceOf(choice: NeutralChoice, hides: ReadonlySet<ReplyFeature>, wire: Wire): unknown {
  const all = <Kind extends NeutralPart['kind']>(kind: Kind) =>
    choice.parts.filter((part): part is Extract<NeutralPart, { kind: Kind }> => part.kind === kind)
  const unless = (feature: ReplyFeature, value: unknown): unknown => (hides.has(feature) ? null : value)
  const joined = (parts: readonly { readonly text: string }[]): string => parts.map((part) => part.text).join('')
  return {
    text: joined(all('text')) + (hides.has('refusal') ? joined(all('refusal')) : ''),
    reasoning: unless('reasoning', joined(all('reasoning'))),
    refusal: unless('refusal', joined(all('refusal'))),
    calls: unless(
      'tool-call',
      all('tool-call').map((call) => [call.name, argumentsOf(call.argumentsText)]),
    ),
    images: unless(
      'image',
      all('image').map((image) => image.source),
    ),
    audio: unless(
      'audio',
      all('audio').map((audio) => audio.transcript ?? ''),
    ),
    citations: unless(
      'citation',
      all('text')
        .flatMap((part) => part.citations ?? [])
        .flatMap((c) => c.url ?? []),
    ),
    logprobs: unless(
      'logprobs',
      (choice.logprobs ?? []).map((token) => [token['token'], token['logprob']]),
    ),
    others: all('other').flatMap((part) => (part.wire === wire ? [part.type] : [])),
    finish: finishOf(choice, hides),
  }
}

/** How a choice ends: where a refusal has no place it is told by this, and where calls have none they aren't. */
function finishOf({ finish, parts }: NeutralChoice, hides: ReadonlySet<ReplyFeature>): NeutralChoice['finish'] {
  if (hides.has('refusal') && finish === 'stop' && parts.some((part) => part.kind === 'refusal')) return 'filtered'
  const isUntold = (finish === 'tool-calls' && hides.has('tool-call')) || (finish === 'paused' && hides.has('paused'))
  return isUntold ? 'stop' : finish
}

/** Arguments as they are understood. `null` is none; and where a wire takes nothing but an object, text that is none (a
 *  custom tool's, or what a bound cut off) is its only member. */
function argumentsOf(text: string): unknown {
  const value = parseJson(text)
  if (value === undefined) return text
  if (value === null) return ''
  if (!isJsonObject(value)) return value
  const [only, ...others] = Object.entries(value)
  if (only === undefined) return ''
  const isWrapped = others.length === 0 && (only[0] === 'arguments' || only[0] === 'input')
  return isWrapped && typeof only[1] === 'string' ? only[1] : value
}
