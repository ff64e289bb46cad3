// What every dialect promises. Run over the registry, so that being in it means being covered.
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Target, Wire } from '../../src/core/directory.ts'
import { fold, isWhole } from '../../src/core/reply/fold.ts'
import { isJsonObject, parseJson } from '../../src/core/json.ts'
import type { Json, JsonObject } from '../../src/core/json.ts'
import type { NeutralEvent, NeutralRequest } from '../../src/core/neutral.ts'
import { framerFor } from '../../src/data-plane/framing/index.ts'
import type { Dialect, Frame, NativeEdits, UpstreamCall } from '../../src/dialects/dialect.ts'
import { objectOf } from '../../src/wire/read.ts'
import { fixturesOf, requiredCases, targetOf } from '../fixtures/replies.ts'
import type { Fixture } from '../fixtures/replies.ts'
import { orderObjection } from './event-order.ts'

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
    expect(fixtures.map((fixture) => fixture.name)).toEqual(expect.arrayContaining([...requiredCases(dialect.wire)]))
  })

  for (const fixture of fixtures) {
    if (fixture.reply !== null) replyLaws(dialect, fixture)
    if (fixture.bytes !== null) streamLaws(dialect, fixture, fixture.bytes)
    if (fixture.failure !== null) failureLaws(dialect, fixture)
    if (fixture.error !== null) errorLaws(dialect, fixture)
  }
}

function replyLaws(dialect: Dialect, fixture: Fixture): void {
  const { name, bytes, whole, reply } = fixture
  const says = bytes === null || whole === null ? 'it says what it should' : 'a stream and a whole answer say the same'
  test(`${name}: ${says}`, () => {
    if (bytes !== null) expect(fold(readFixture(dialect, fixture))).toEqual(reply)
    if (whole !== null) expect(fold(dialect.read(whole, fixture.target))).toEqual(reply)
  })

  test(`${name}: counts that are written as text are counts all the same`, () => {
    const usage = reply?.['usage'] ?? null
    const { stream } = fixture
    if (stream !== null) {
      const frames = framesOf(dialect, fixture, [new TextEncoder().encode(asText(stream))])
      expect(fold(readFrames(dialect, frames, fixture.target)).usage).toEqual(usage)
    }
    const read =
      whole === null ? null : fold(dialect.read(parseJson(asText(JSON.stringify(whole))) ?? null, fixture.target))
    if (read !== null) expect(read.usage).toEqual(usage)
  })
}

/** The same with every count as digits in quotes: 64-bit integers are, and some servers do it to all. */
function asText(json: string): string {
  return json.replaceAll(/("\w*(?:tokens?|count)\w*":\s*)(\d+)/gi, '$1"$2"')
}

function streamLaws(dialect: Dialect, fixture: Fixture, bytes: Uint8Array): void {
  const { name, target } = fixture

  test(`${name}: any chunking gives the same events, in legal order`, () => {
    const events = readFixture(dialect, fixture)
    expect(orderObjection(events)).toBeNull()
    fc.assert(
      fc.property(fc.array(fc.nat(bytes.length), { maxLength: 30 }), (cuts) => {
        expect(readFrames(dialect, framesOf(dialect, fixture, pieces(bytes, cuts)), target)).toEqual(events)
      }),
    )
  })

  test(`${name}: the meter agrees with the reader wherever the stream is cut`, () => {
    const frames = framesOf(dialect, fixture, [bytes])
    for (let length = 0; length <= frames.length; length += 1) {
      expectAgreement(dialect, frames.slice(0, length), target)
    }
  })
}

function failureLaws(dialect: Dialect, fixture: Fixture): void {
  const { name, failure } = fixture
  test(`${name}: what was said is kept, and the failure is the last word`, () => {
    const read = fold(readFixture(dialect, fixture))
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
  const target = targetOf(dialect.wire)

  test('reads any JSON without throwing, in legal order', () => {
    fc.assert(
      fc.property(anyJson(dialect), (body) => {
        expect(orderObjection(dialect.read(body, target))).toBeNull()
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
        expect(orderObjection(readFrames(dialect, frames, target))).toBeNull()
        expectAgreement(dialect, frames, target)
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
  const target = targetOf(dialect.wire)
  const isNative = dialect.nativeWire(target) !== null

  test('a model id is named as it is, and changes nothing of the address', () => {
    const body = boundedBody(dialect.wire, 1)
    const text = JSON.stringify(body)
    fc.assert(
      fc.property(anyModel, (model) => {
        const asked = { ...REQUEST, model }
        expectModel(dialect.probe({ ...target, model }), dialect.probe(target), model)
        expectModel(dialect.write(asked, { ...target, model: '*' }, NO_EDITS), written(dialect, target), model)
        expectModel(dialect.write(REQUEST, target, { ...NO_EDITS, model }), written(dialect, target), model)
        if (!isNative) return
        const edits = { ...NO_EDITS, model }
        expectModel(dialect.edit(text, body, edits, target), dialect.edit(text, body, NO_EDITS, target), model)
      }),
    )
  })

  test('an output bound that is written is never above what was asked for', () => {
    for (const [given, imposed] of [
      [100, 50],
      [50, 100],
    ] as const) {
      const request = { ...REQUEST, maxOutputTokens: given }
      const call = dialect.write(request, target, { ...NO_EDITS, maxOutputTokens: imposed })
      expect(call.body).toMatch(/[^\d]50[^\d]/)
      expect(call.body).not.toMatch(/[^\d]100[^\d]/)
    }
  })

  if (isNative) editLaws(dialect, target)
}

function editLaws(dialect: Dialect, target: Target): void {
  test('an edit without anything to edit leaves the text to the byte', () => {
    const text = '{ "model" : "asked",\n "messages":[ {"role":"user","content":"\\u00e9 \\"}"} ], "unknown": 1.0 }'
    expect(dialect.edit(text, objectOf(parseJson(text)), NO_EDITS, target).body).toBe(text)
  })

  test('an edit changes nothing that it is not asked to', () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string(), fc.jsonValue()), (fields) => {
        const given = { ...fields, tidegate: undefined, model: 'asked' }
        const body = objectOf(parseJson(JSON.stringify(given)))
        const edited = dialect.edit(JSON.stringify(body), body, { ...NO_EDITS, model: 'sent' }, target)
        const isInBody = objectOf(parseJson(edited.body))['model'] === 'sent'
        expect(parseJson(edited.body)).toEqual(isInBody ? { ...body, model: 'sent' } : body)
      }),
    )
  })

  test('an output bound is lowered and never raised', () => {
    for (const [given, imposed, sent] of [
      [100, 50, 50],
      [50, 100, 50],
    ] as const) {
      const body = boundedBody(dialect.wire, given)
      const edits = { ...NO_EDITS, maxOutputTokens: imposed }
      const edited = parseJson(dialect.edit(JSON.stringify(body), body, edits, target).body)
      expect(edited).toEqual(boundedBody(dialect.wire, sent))
    }
  })
}

/** A request of the wire that names its own output bound. */
function boundedBody(wire: Wire, tokens: number): JsonObject {
  const model = 'asked'
  switch (wire) {
    case 'openai-responses':
      return { model, input: 'Hello', max_output_tokens: tokens }
    case 'gemini':
      return { contents: [], generationConfig: { maxOutputTokens: tokens } }
    case 'bedrock-converse':
      return { messages: [], inferenceConfig: { maxTokens: tokens } }
    default:
      return { model, messages: [], max_tokens: tokens }
  }
}

const REQUEST: NeutralRequest = {
  model: 'asked',
  stream: false,
  includeUsage: false,
  messages: [{ role: 'user', parts: [{ kind: 'text', text: 'When is high tide?' }] }],
  tools: [],
  extra: {},
}

function written(dialect: Dialect, target: Target): UpstreamCall {
  return dialect.write(REQUEST, target, NO_EDITS)
}

/** The model stands in the body, or as one segment of a path that is otherwise the same; or nowhere, and nothing changes. */
function expectModel(call: UpstreamCall, other: UpstreamCall, model: string): void {
  const at = new URL(`https://provider.test/base${call.path}`)
  const otherAt = new URL(`https://provider.test/base${other.path}`)
  expect(at.host).toBe('provider.test')
  expect([...at.searchParams]).toEqual([...otherAt.searchParams])
  expect(at.hash).toBe('')
  const segments = at.pathname.split('/')
  const otherSegments = otherAt.pathname.split('/')
  expect(segments.length).toBe(otherSegments.length)
  expect(segments.filter((segment, n) => segment !== otherSegments[n]).length).toBeLessThanOrEqual(1)
  const inBody = objectOf(parseJson(call.body))['model']
  if (inBody === undefined) return
  expect(inBody).toBe(model)
  expect(call.path).toBe(other.path)
}

function stringOrNull(value: Json | undefined): string | null {
  return typeof value === 'string' ? value : null
}

/** JSON of any kind, and replies of the dialect's own fixtures with a random part replaced by something random. */
function anyJson(dialect: Dialect): fc.Arbitrary<Json> {
  const bodies = fixturesOf(dialect.wire).flatMap((fixture) => {
    const { whole, bytes } = fixture
    const frames = bytes === null ? [] : framesOf(dialect, fixture, [bytes]).map((frame) => parseJson(frame.data))
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

function expectAgreement(dialect: Dialect, frames: readonly Frame[], target: Target): void {
  const events = readFrames(dialect, frames, target)
  const reply = fold(events)
  const meter = dialect.meter(target)
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

function readFixture(dialect: Dialect, fixture: Fixture): readonly NeutralEvent[] {
  return readFrames(dialect, framesOf(dialect, fixture, [fixture.bytes ?? new Uint8Array()]), fixture.target)
}

/** The frames of a fixture's stream that comes in these chunks, cut as the gateway cuts it. */
function framesOf(dialect: Dialect, fixture: Fixture, chunks: readonly Uint8Array[]): readonly Frame[] {
  const framer = framerFor(dialect, fixture.target, fixture.contentType)
  return [...chunks.flatMap((chunk) => framer.push(chunk)), ...framer.end()]
}

function readFrames(dialect: Dialect, frames: readonly Frame[], target: Target): readonly NeutralEvent[] {
  const reader = dialect.reader(target)
  const events = frames.flatMap((frame) => reader.push(frame))
  return [...events, ...reader.end()]
}

function pieces(bytes: Uint8Array, cuts: readonly number[]): readonly Uint8Array[] {
  const ends = [...cuts.toSorted((a, b) => a - b), bytes.length]
  return ends.map((end, index) => bytes.subarray(ends[index - 1] ?? 0, end))
}
