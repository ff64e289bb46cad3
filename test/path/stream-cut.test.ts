// A stream that we end before its time, at every place where that may happen, of every recorded reply: what the client has got
// by then and our last words make a whole reply, which came to its output bound. Both lanes, all protocols.
import { describe, expect, test } from 'vitest'
import type { Wire } from '../../src/core/directory.ts'
import { fold, isWhole } from '../../src/core/reply/fold.ts'
import type { JsonObject } from '../../src/core/json.ts'
import type { NeutralReply } from '../../src/core/neutral.ts'
import { NO_USAGE } from '../../src/core/money/usage.ts'
import { createFramer } from '../../src/data-plane/framing/index.ts'
import { createSseFramer } from '../../src/data-plane/framing/sse.ts'
import { type Lane, nativeLane, translatedLane } from '../../src/data-plane/answer/lane.ts'
import { arrayOf, objectOf } from '../../src/wire/read.ts'
import { type Fixture, fixturesOf } from '../fixtures/replies.ts'
import { dialects, protocols } from '../support/registries.ts'
import { responseEvents, responseObjection } from '../support/response-order.ts'

const WIRES = ['openai-chat', 'anthropic-messages', 'openai-responses', 'openai-completions'] as const
const PROTOCOLS = {
  'openai-chat': protocols.chat,
  'anthropic-messages': protocols.messages,
  'openai-responses': protocols.responses,
  'openai-completions': protocols.completions,
}
const CONTEXT = { id: 'own-1', createdSeconds: 1_760_000_000, model: 'own-model', wantsUsage: true, request: {} }
const NOTE = { reason: 'budget_exhausted', output_tokens: 7 }
const WORDS = { usage: { ...NO_USAGE, input: 5, output: 7 }, wantsUsage: true, choices: 2, note: NOTE }
const encoder = new TextEncoder()
const decoder = new TextDecoder()

/** Streams of whole replies, by wire. */
const RECORDINGS = WIRES.flatMap((wire) =>
  fixturesOf(wire).flatMap((fixture) =>
    fixture.stream === null || fixture.reply === null ? [] : [{ wire, name: `${wire} ${fixture.name}`, fixture }],
  ),
)

/** What a client of this wire reads in a stream. */
function readAs(wire: (typeof WIRES)[number], fixture: Fixture, text: string): NeutralReply {
  const reader = dialects[wire].reader(fixture.target)
  const frames = createSseFramer().push(text)
  return fold([...frames.flatMap((frame) => [...reader.push(frame)]), ...reader.end()])
}

/** Every text that was said. */
function said({ choices }: NeutralReply): unknown {
  const texts = choices.map(({ parts }) => parts.flatMap((part) => ('text' in part ? [[part.kind, part.text]] : [])))
  return texts.filter((parts) => parts.length > 0)
}

interface Cut {
  /** What came before our words. */
  readonly before: string
  readonly words: string
}

/** Every way to end the stream: after each of its events that leaves it with something said and more to come. */
function cutsOf({ stream, reply }: Fixture, laneOf: () => Lane): readonly Cut[] {
  const frames = createSseFramer().push(stream ?? '')
  return frames.flatMap((_, last) => {
    const lane = laneOf()
    let before = ''
    for (const { raw } of frames.slice(0, last + 1)) {
      const { out, failure } = lane.push(encoder.encode(raw))
      expect(failure).toBeNull()
      before += out === null ? '' : typeof out === 'string' ? out : decoder.decode(out)
    }
    if (!lane.hasContent || lane.isComplete) return []
    return [{ before, words: lane.cut?.({ ...WORDS, choices: choicesOf(reply) }) ?? 'none' }]
  })
}

/** Items that our words end are told as incomplete. */
function expectIncomplete({ words }: Cut): void {
  for (const event of responseEvents(words)) {
    const item = objectOf(event['item'])
    if (event['type'] === 'response.output_item.done' && 'status' in item) expect(item['status']).toBe('incomplete')
  }
}

function choicesOf(reply: JsonObject | null): number {
  return arrayOf(reply?.['choices']).length
}

/** Whether a recording keeps to the order of the API. */
function isOrderly({ stream }: Fixture): boolean {
  try {
    return responseObjection(responseEvents(stream ?? '')) === null
  } catch {
    return false
  }
}

function expectWholeAtBound(wire: (typeof WIRES)[number], fixture: Fixture, { before, words }: Cut): void {
  const reply = readAs(wire, fixture, before + words)
  expect(isWhole(reply), words).toBe(true)
  expect(reply.choices.map(({ finish }) => finish)).toContain('length')
  expect(said(reply)).toEqual(said(readAs(wire, fixture, before)))
  const last = words.split('\n').findLast((line) => line.startsWith('data: {')) ?? ''
  expect(JSON.parse(last.slice('data: '.length))).toMatchObject({ tidegate: NOTE })
  expect(words.endsWith('\n\n')).toBe(true)
}

test('there is something to cut', () => {
  expect(
    RECORDINGS.filter(({ wire, fixture }) => wire === 'openai-responses' && isOrderly(fixture)).length,
  ).toBeGreaterThan(2)
  for (const wire of WIRES) expect(RECORDINGS.filter((recording) => recording.wire === wire).length).toBeGreaterThan(2)
})

describe.each(RECORDINGS)('native lane, $name', ({ wire, fixture }) => {
  test('is a whole reply wherever it is cut', () => {
    const ending = (): string => PROTOCOLS[wire].writer(CONTEXT).end()
    const options = { hidesUsage: false, collects: false, ending, isCuttable: true }
    const cuts = cutsOf(fixture, () => nativeLane(dialects[wire], fixture.target, options))
    for (const cut of cuts) expectWholeAtBound(wire, fixture, cut)
    if (wire !== 'openai-responses' || !isOrderly(fixture)) return
    cuts.forEach(expectIncomplete)
    for (const { before, words } of cuts) expect(responseObjection(responseEvents(before + words)), words).toBeNull()
  })
})

describe.each(RECORDINGS)('translated lane, $name', ({ wire, fixture }) => {
  test.each(WIRES.filter((own) => own !== wire))('is a whole reply wherever it is cut, for a client of %s', (own) => {
    const cuts = cutsOf(fixture, () => {
      const reader = dialects[wire].reader(fixture.target)
      return translatedLane(createFramer('text/event-stream', 'sse'), reader, PROTOCOLS[own].writer(CONTEXT), {
        collects: false,
        isCuttable: true,
      })
    })
    for (const cut of cuts) {
      expectWholeAtBound(own, fixture, cut)
      if (own !== 'openai-responses') continue
      expect(responseObjection(responseEvents(cut.before + cut.words))).toBeNull()
      expectIncomplete(cut)
    }
  })
})

describe('the note', () => {
  const lane = (wire: Wire & (typeof WIRES)[number], isCuttable: boolean): Lane =>
    nativeLane(dialects[wire], RECORDINGS[0]?.fixture.target ?? fail(), {
      hidesUsage: false,
      collects: false,
      ending: () => '',
      isCuttable,
    })

  test('is not told where nothing has begun, or the wire was not remembered', () => {
    for (const wire of WIRES) expect(lane(wire, true).cut?.(WORDS) ?? null).toBeNull()
    const begun = lane('openai-responses', false)
    begun.push(encoder.encode('event: response.created\ndata: {"type":"response.created","response":{"id":"r"}}\n\n'))
    expect(begun.cut?.(WORDS) ?? null).toBeNull()
  })
})

function fail(): never {
  throw new Error('no recordings')
}
