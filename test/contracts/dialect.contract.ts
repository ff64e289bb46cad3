// What every dialect promises. Run over the registry, so that being in it means being covered.
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { fold, isWhole } from '../../src/core/fold.ts'
import { isJsonObject, parseJson } from '../../src/core/json.ts'
import type { Json, JsonObject } from '../../src/core/json.ts'
import type { NeutralEvent } from '../../src/core/neutral.ts'
import { createSseFramer } from '../../src/data-plane/framing/sse.ts'
import type { Dialect, Frame, NativeEdits } from '../../src/dialects/dialect.ts'
import { objectOf } from '../../src/wire/read.ts'
import { fixturesOf, REQUIRED_CASES } from '../fixtures/replies.ts'
import type { Fixture } from '../fixtures/replies.ts'
import { orderObjection } from './event-order.ts'
import { TARGET } from '../support/target.ts'

const NO_EDITS: NativeEdits = { model: null, forceUsage: false, maxOutputTokens: null }

/** Names a provider could have, and ones that try to be more than a name. */
const anyModel = fc.oneof(fc.constantFrom('../../admin', '//evil.test', 'a?b#c', 'x\r\ny', 'gpt "4"'), fc.string())

/** Holds `dialect` to the contract, with the fixtures of its wire. */
export function dialectContract(dialect: Dialect): void {
  describe(`dialect ${dialect.name}`, () => {
    fixtureLaws(dialect)
    robustnessLaws(dialect)
    requestLaws(dialect)
  })
}

function fixtureLaws(dialect: Dialect): void {
  const fixtures = fixturesOf(dialect.wire)

  test('has every fixture that a wire needs', () => {
    expect(fixtures.map((fixture) => fixture.name)).toEqual(expect.arrayContaining([...REQUIRED_CASES]))
  })

  for (const fixture of fixtures) {
    if (fixture.reply !== null) replyLaws(dialect, fixture)
    if (fixture.stream !== null) streamLaws(dialect, fixture.name, fixture.stream)
    if (fixture.failure !== null) failureLaws(dialect, fixture)
    if (fixture.error !== null) errorLaws(dialect, fixture)
  }
}

function replyLaws(dialect: Dialect, { name, stream, whole, reply }: Fixture): void {
  test(`${name}: a stream and a whole answer say the same`, () => {
    expect(fold(readText(dialect, stream ?? ''))).toEqual(reply)
    expect(fold(dialect.read(whole, TARGET))).toEqual(reply)
  })
}

function streamLaws(dialect: Dialect, name: string, stream: string): void {
  test(`${name}: any chunking gives the same events, in legal order`, () => {
    const events = readText(dialect, stream)
    expect(orderObjection(events)).toBeNull()
    fc.assert(
      fc.property(fc.array(fc.nat(stream.length), { maxLength: 30 }), (cuts) => {
        expect(readFrames(dialect, framesOf(pieces(stream, cuts)))).toEqual(events)
      }),
    )
  })

  test(`${name}: the meter agrees with the reader wherever the stream is cut`, () => {
    const frames = framesOf([stream])
    for (let length = 0; length <= frames.length; length += 1) expectAgreement(dialect, frames.slice(0, length))
  })
}

function failureLaws(dialect: Dialect, { name, stream, failure }: Fixture): void {
  test(`${name}: what was said is kept, and the failure is the last word`, () => {
    const read = fold(readText(dialect, stream ?? ''))
    expect(isWhole(read)).toBe(false)
    expect(read.failure?.class).toBe(failure?.['class'])
    expect(read.choices[0]?.parts).toEqual([{ kind: 'text', text: failure?.['text'] }])
  })
}

function errorLaws(dialect: Dialect, { name, error }: Fixture): void {
  test(`${name}: the error is understood`, () => {
    const { headers, body, status, expected } = error ?? {}
    const reader = { get: (header: string) => stringOrNull(objectOf(headers)[header]) }
    const read = dialect.fail(Number(status), reader, String(body), 0)
    expect(read).toMatchObject(objectOf(expected))
    expect(read.message).not.toMatch(/sk-test/)
  })
}

function robustnessLaws(dialect: Dialect): void {
  test('reads any JSON without throwing, in legal order', () => {
    fc.assert(
      fc.property(anyJson(dialect), (body) => {
        expect(orderObjection(dialect.read(body, TARGET))).toBeNull()
      }),
    )
  })

  test('reads any frames without throwing, in legal order, and the meter agrees', () => {
    const frame = fc.record({
      event: fc.constantFrom('', 'error', 'message_start', 'data'),
      data: fc.oneof(
        fc.string(),
        anyJson(dialect).map((value) => JSON.stringify(value)),
        fc.constant('[DONE]'),
      ),
    })
    fc.assert(
      fc.property(fc.array(frame, { maxLength: 12 }), (frames) => {
        expect(orderObjection(readFrames(dialect, frames))).toBeNull()
        expectAgreement(dialect, frames)
      }),
      { numRuns: 300 },
    )
  })

  test('makes something of any error without throwing', () => {
    const body = fc.oneof(
      fc.string(),
      fc.jsonValue().map((value) => JSON.stringify({ error: value })),
    )
    fc.assert(
      fc.property(fc.integer({ min: 400, max: 599 }), fc.string(), body, (status, retryAfter, text) => {
        const failure = dialect.fail(status, { get: () => retryAfter }, text, 0)
        expect(failure.status).toBe(status)
        expect(failure.message).not.toBe('')
        expect(failure.retryAfterMs ?? 1).toBeGreaterThan(0)
      }),
    )
  })
}

function requestLaws(dialect: Dialect): void {
  const path = dialect.probe(TARGET).path

  test('no model id can change the path', () => {
    expect(path).toMatch(/^\/[a-z/]+$/)
    fc.assert(
      fc.property(anyModel, (model) => {
        const body = { model: 'asked', messages: [] }
        expect(dialect.probe({ ...TARGET, model }).path).toBe(path)
        expect(dialect.edit(JSON.stringify(body), body, { ...NO_EDITS, model }, TARGET).path).toBe(path)
        expect(modelIn(dialect.edit(JSON.stringify(body), body, { ...NO_EDITS, model }, TARGET).body)).toBe(model)
      }),
    )
  })

  test('an edit without anything to edit leaves the text to the byte', () => {
    const text = '{ "model" : "asked",\n "messages":[ {"role":"user","content":"\\u00e9 \\"}"} ], "unknown": 1.0 }'
    expect(dialect.edit(text, objectOf(parseJson(text)), NO_EDITS, TARGET).body).toBe(text)
  })

  test('an edit changes nothing that it is not asked to', () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string(), fc.jsonValue()), (fields) => {
        const body = objectOf(parseJson(JSON.stringify({ ...fields, tidegate: undefined, model: 'asked' })))
        const edited = dialect.edit(JSON.stringify(body), body, { ...NO_EDITS, model: 'sent' }, TARGET).body
        expect(parseJson(edited)).toEqual({ ...body, model: 'sent' })
      }),
    )
  })

  test('an output bound is lowered and never raised', () => {
    for (const [given, imposed, sent] of [
      [100, 50, 50],
      [50, 100, 50],
    ] as const) {
      const body = { model: 'asked', messages: [], max_tokens: given }
      const edited = parseJson(
        dialect.edit(JSON.stringify(body), body, { ...NO_EDITS, maxOutputTokens: imposed }, TARGET).body,
      )
      expect(objectOf(edited)['max_tokens']).toBe(sent)
    }
  })

  test('the probe names the model of the target', () => {
    expect(modelIn(dialect.probe(TARGET).body)).toBe(TARGET.model)
  })
}

function modelIn(body: string): Json | undefined {
  return objectOf(parseJson(body))['model']
}

function stringOrNull(value: Json | undefined): string | null {
  return typeof value === 'string' ? value : null
}

/** JSON of any kind, and replies of the dialect's own fixtures with a random part replaced by something random. */
function anyJson(dialect: Dialect): fc.Arbitrary<Json> {
  const bodies = fixturesOf(dialect.wire).flatMap(({ whole, stream }) => {
    const frames = stream === null ? [] : framesOf([stream]).map((frame) => parseJson(frame.data))
    return [whole, ...frames].filter((body) => isJsonObject(body))
  })
  const value = fc.jsonValue().map((json): Json => parseJson(JSON.stringify(json)) ?? null)
  const broken = fc
    .tuple(fc.constantFrom(...bodies), fc.array(fc.nat(), { minLength: 1, maxLength: 6 }), value)
    .map(([body, route, replacement]): Json => replaced(body, route, replacement))
  return fc.oneof(value, fc.constantFrom(...bodies), broken)
}

function replaced(value: Json, route: readonly number[], replacement: Json): Json {
  const [step, ...rest] = route
  if (step === undefined) return replacement
  if (Array.isArray(value)) {
    return value.map((item: Json, index) => (index === step % value.length ? replaced(item, rest, replacement) : item))
  }
  if (!isJsonObject(value)) return replacement
  const names = Object.keys(value)
  const name = names[step % names.length]
  const changed: JsonObject = name === undefined ? {} : { [name]: replaced(value[name] ?? null, rest, replacement) }
  return { ...value, ...changed }
}

function expectAgreement(dialect: Dialect, frames: readonly Frame[]): void {
  const events = readFrames(dialect, frames)
  const reply = fold(events)
  const meter = dialect.meter(TARGET)
  for (const frame of frames) meter.push(frame)
  expect(meter.isComplete).toBe(reply.failure === null)
  expect(meter.usage).toEqual(reply.usage)
  expect(meter.visibleChars).toBe(visibleChars(events))
  if (meter.failure !== null) expect(reply.failure).toEqual(meter.failure)
}

function visibleChars(events: readonly NeutralEvent[]): number {
  let chars = 0
  for (const event of events) {
    if (event.type === 'part-delta') chars += event.text.length
  }
  return chars
}

function readText(dialect: Dialect, text: string): readonly NeutralEvent[] {
  return readFrames(dialect, framesOf([text]))
}

function framesOf(texts: readonly string[]): readonly Frame[] {
  const framer = createSseFramer()
  return [...texts.flatMap((text) => framer.push(text)), ...framer.end()]
}

function readFrames(dialect: Dialect, frames: readonly Frame[]): readonly NeutralEvent[] {
  const reader = dialect.reader(TARGET)
  const events = frames.flatMap((frame) => reader.push(frame))
  return [...events, ...reader.end()]
}

function pieces(text: string, cuts: readonly number[]): readonly string[] {
  const ends = [...cuts.toSorted((a, b) => a - b), text.length]
  return ends.map((end, index) => text.slice(ends[index - 1] ?? 0, end))
}
