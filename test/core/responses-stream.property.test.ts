// What the responses protocol writes, as laws: the order of its events is legal, a stream and a whole response say the same,
// and a client that sends an output back as input has said the same turn.
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { JsonObject } from '../../src/core/json.ts'
import type { NeutralEvent, NeutralPart } from '../../src/core/neutral.ts'
import { protocols } from '../support/registries.ts'
import { arrayOf, objectOf } from '../../src/wire/read.ts'
import { anyReply } from '../contracts/any-reply.ts'
import { anyParts, eventsInPieces, replyOf } from '../support/any-parts.ts'
import { responseEvents, responseObjection } from '../support/response-order.ts'

const { responses } = protocols
const CONTEXT = {
  id: 'resp_req_1',
  createdSeconds: 1_760_000_000,
  model: 'harbour-2',
  wantsUsage: true,
  request: { model: 'harbour-2', input: 'When is high tide?', temperature: 0.5, metadata: { berth: '7' } },
}

function written(events: readonly NeutralEvent[]): readonly JsonObject[] {
  const writer = responses.writer(CONTEXT)
  return responseEvents(events.map((event) => writer.push(event)).join('') + writer.end())
}

function lastResponse(events: readonly JsonObject[]): JsonObject {
  return objectOf(events.at(-1)?.['response'])
}

/** What a client's next turn says after it has sent `output` back. */
function sentBack(output: JsonObject[string]): readonly NeutralPart[] {
  const input = [...arrayOf(output), { role: 'user', content: 'Go on.' }]
  const read = responses.read({ model: 'harbour-2', input })
  if (!read.ok) throw new Error(read.error.message)
  return read.value.messages.flatMap((message) => (message.role === 'assistant' ? message.parts : []))
}

/** That a text is a summary isn't known before it is sent back. */
function unmarked(part: NeutralPart): NeutralPart {
  if (part.kind !== 'reasoning') return part
  const { isSummary: _, ...rest } = part
  return rest
}

const pieceLength = fc.integer({ min: 1, max: 9 })

describe('a streamed response', () => {
  test('has its events in legal order', () => {
    fc.assert(
      fc.property(anyParts, pieceLength, (parts, length) => {
        expect(responseObjection(written(eventsInPieces(replyOf(parts), length)))).toBeNull()
      }),
    )
  })

  test('has its events in legal order when parts interleave', () => {
    fc.assert(
      fc.property(anyParts, fc.infiniteStream(fc.nat()), (parts, draws) => {
        const events = interleaved(eventsInPieces(replyOf(parts), 3), draws)
        expect(responseObjection(written(events))).toBeNull()
      }),
    )
  })

  test('would be objected to if any event were left out', () => {
    fc.assert(
      fc.property(anyParts, fc.nat(), (parts, place) => {
        const events = written(eventsInPieces(replyOf(parts), 4))
        const without = events.toSpliced(place % events.length, 1)
        expect(responseObjection(without.map((event, at) => ({ ...event, sequence_number: at })))).not.toBeNull()
      }),
    )
  })

  test('tells of several choices the first', () => {
    fc.assert(
      fc.property(anyReply, (reply) => {
        const events = written(eventsInPieces(reply, 5))
        expect(responseObjection(events)).toBeNull()
        expect(events).toEqual(written(eventsInPieces({ ...reply, choices: reply.choices.slice(0, 1) }, 5)))
      }),
    )
  })

  test('ends with a response that says what the whole one says', () => {
    fc.assert(
      fc.property(anyParts, pieceLength, (parts, length) => {
        const streamed = lastResponse(written(eventsInPieces(replyOf(parts), length)))
        const whole = objectOf(responses.write(replyOf(parts), CONTEXT))
        const { output: streamedOutput, ...streamedRest } = streamed
        const { output: wholeOutput, ...wholeRest } = whole
        expect(streamedRest).toEqual(wholeRest)
        expect(sentBack(streamedOutput)).toEqual(sentBack(wholeOutput))
      }),
    )
  })
})

describe('an output that comes back as input', () => {
  test('says the same turn, signatures of all makers included', () => {
    fc.assert(
      fc.property(anyParts, pieceLength, (parts, length) => {
        const whole = objectOf(responses.write(replyOf(parts), CONTEXT))
        expect(sentBack(whole['output']).map((part) => unmarked(part))).toEqual(parts)
        const streamed = lastResponse(written(eventsInPieces(replyOf(parts), length)))
        expect(sentBack(streamed['output']).map((part) => unmarked(part))).toEqual(parts)
      }),
    )
  })
})

/** The events with those of neighbouring parts mixed, each part's own in order. */
function interleaved(events: readonly NeutralEvent[], draws: fc.Stream<number>): readonly NeutralEvent[] {
  const queues = new Map<number, NeutralEvent[]>()
  const rest: NeutralEvent[] = []
  for (const event of events) {
    if (!('part' in event)) rest.push(event)
    else queues.set(event.part, [...(queues.get(event.part) ?? []), event])
  }
  const mixed: NeutralEvent[] = rest.slice(0, 1)
  const waiting = [...queues.values()]
  // No more than three at a time, begun in order.
  while (waiting.length > 0) {
    const at = (draws.next().value ?? 0) % Math.min(3, waiting.length)
    const isBegun = (queue: NeutralEvent[] | undefined): boolean => queue?.[0]?.type !== 'part-start'
    const chosen = isBegun(waiting[at]) ? at : waiting.findIndex((queue) => !isBegun(queue))
    const event = waiting[chosen]?.shift()
    if (event !== undefined) mixed.push(event)
    if (waiting[chosen]?.length === 0) waiting.splice(chosen, 1)
  }
  return [...mixed, ...rest.slice(1)]
}
