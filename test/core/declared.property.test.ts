// Backends that are described by data: what is wrong with a description is said by field, nothing that a client writes
// can change the structure of a body or the address of a call, and whatever comes back is read without a throw.
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Target } from '../../src/core/directory.ts'
import { isJsonObject, parseJson } from '../../src/core/json.ts'
import type { Json, JsonObject } from '../../src/core/json.ts'
import type { NeutralRequest } from '../../src/core/neutral.ts'
import { declared } from '../../src/dialects/declared/index.ts'
import { readDeclared } from '../../src/wire/declared.ts'
import { fillTemplate, PLACEHOLDERS, templateObjection } from '../../src/wire/declared-template.ts'
import { TARGET } from '../support/target.ts'

const NO_EDITS = { model: null, forceUsage: false, maxOutputTokens: null }

const MINIMAL: JsonObject = { path: '/answer', body: { question: '$prompt' }, reply: { text: 'text' } }

const REQUEST: NeutralRequest = {
  model: 'asked',
  stream: false,
  includeUsage: false,
  messages: [{ role: 'user', parts: [{ kind: 'text', text: 'When is high tide?' }] }],
  tools: [],
  extra: {},
}

function target(description: JsonObject): Target {
  return { ...TARGET, dialect: 'declared', declared: description }
}

function bodyOf(description: JsonObject, request: NeutralRequest): Json | undefined {
  return parseJson(declared.write(request, target(description), NO_EDITS).body)
}

describe('a description', () => {
  test('is read with what it leaves out', () => {
    expect(readDeclared(MINIMAL)).toMatchObject({
      ok: true,
      value: { method: 'POST', path: '/answer', streamPath: '/answer', framing: 'json', headers: {} },
    })
  })

  test.each<[field: string, change: JsonObject]>([
    ['declared.path', { path: 'answer' }],
    ['declared.path', { path: '/a/../../admin' }],
    ['declared.path', { path: '//evil.test/a' }],
    ['declared.path', { path: '/a#b' }],
    ['declared.stream_path', { stream_path: '/%2e%2E/x' }],
    ['declared.method', { method: 'GET' }],
    ['declared.framing', { framing: 'telegraph' }],
    ['declared.headers.authorization', { headers: { authorization: 'Bearer x' } }],
    ['declared.headers.x-a', { headers: { 'x-a': 'b\r\nx-c: d' } }],
    ['declared.headers.x a', { headers: { 'x a': 'b' } }],
    ['declared.body.a.0.b', { body: { a: [{ b: '$promt' }] } }],
    ['declared.body.a', { body: { a: { $when: '$stream', otherwise: 1 } } }],
    ['declared.body.a', { body: { a: { $first: '$stop' } } }],
    ['declared.reply.text', { reply: { finish: 'state' } }],
    ['declared.reply.text', { reply: { text: 7 } }],
    ['declared.reply.text_is', { reply: { text: 'a', text_is: 'whole' } }],
    ['declared.reply.finish.values.done', { reply: { text: 'a', finish: { at: 'b', values: { done: 'over' } } } }],
    ['declared.reply.usage.inputs', { reply: { text: 'a', usage: { inputs: 'b' } } }],
    ['declared.stream.txt', { stream: { txt: 'a' } }],
    ['declared.auth', { auth: 'none' }],
    ['declared', { body: { long: 'x'.repeat(30_000) } }],
  ])('is refused with the name of what is wrong: %s', (field, change) => {
    const read = readDeclared({ ...MINIMAL, ...change })
    expect(read).toMatchObject({ ok: false, error: { field } })
    if (!read.ok) expect(read.error.message.startsWith(field)).toBe(true)
  })

  test('is judged without a throw, whatever it is', () => {
    const anyDescription = fc.oneof(
      fc.jsonValue(),
      fc
        .tuple(fc.constantFrom('path', 'body', 'reply', 'stream', 'headers', 'framing', 'method'), fc.jsonValue())
        .map(([name, value]) => ({ ...MINIMAL, [name]: value })),
    )
    fc.assert(
      fc.property(anyDescription, (value) => {
        const json = parseJson(JSON.stringify(value))
        const read = readDeclared(json)
        if (!read.ok) expect(read.error.field).toMatch(/^declared/)
      }),
    )
  })
})

const anyTemplate: fc.Arbitrary<Json> = fc.letrec<{ json: Json }>((tie) => ({
  json: fc.oneof(
    { depthSize: 'small' },
    fc.constantFrom(...PLACEHOLDERS.map((name): Json => `$${name}`)),
    fc.oneof(
      fc.string().filter((text) => !text.startsWith('$')),
      fc.integer(),
      fc.boolean(),
      fc.constant(null),
    ),
    fc.array(tie('json'), { maxLength: 3 }),
    fc.dictionary(fc.stringMatching(/^[a-z]{1,4}$/), tie('json'), { maxKeys: 3 }),
  ),
})).json

/** Where the values of a body stand, and of what kind they are: all but what texts and numbers say. */
function structure(value: Json | undefined): Json {
  if (Array.isArray(value)) return value.map((item: Json) => structure(item))
  if (isJsonObject(value)) {
    return Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, structure(inner)]))
  }
  return value === null ? null : typeof value
}

describe('a body', () => {
  test('has the same structure whatever the prompt says, and the prompt as it is', () => {
    const words = fc.oneof(
      fc.string({ unit: 'binary' }),
      fc.constantFrom('"},"x":{"', '$model', '\\', '{"$first":[1]}'),
    )
    fc.assert(
      fc.property(anyTemplate, words, (template, text) => {
        const said = (prompt: string): NeutralRequest => ({
          ...REQUEST,
          messages: [{ role: 'user', parts: [{ kind: 'text', text: `x${prompt}` }] }],
        })
        const description = { ...MINIMAL, body: { template, prompt: '$prompt', last: '$last_user' } }
        const body = bodyOf(description, said(text))
        expect(structure(body)).toEqual(structure(bodyOf(description, said(''))))
        expect(body).toMatchObject({ prompt: `x${text}`.toWellFormed(), last: `x${text}`.toWellFormed() })
      }),
    )
  })

  test('leaves out what was not asked for', () => {
    const body = {
      limit: '$max_tokens',
      heat: { $first: ['$temperature', 0.7] },
      list: ['$seed', '$top_k'],
      live: '$stream',
    }
    expect(bodyOf({ ...MINIMAL, body }, { ...REQUEST, topK: 5 })).toEqual({ heat: 0.7, list: [5], live: false })
  })

  test('chooses by what was asked', () => {
    const body = {
      mode: { $when: '$stream', $then: 'live', $else: 'whole' },
      stop: { $when: '$stop', $then: { at: '$stop' } },
    }
    expect(bodyOf({ ...MINIMAL, body }, REQUEST)).toEqual({ mode: 'whole' })
    expect(bodyOf({ ...MINIMAL, body }, { ...REQUEST, stream: true, stop: ['.'] })).toEqual({
      mode: 'live',
      stop: { at: ['.'] },
    })
  })

  test('has a text that begins with a dollar where the template doubles it', () => {
    expect(fillTemplate({ price: '$$prompt' }, { prompt: 'no' })).toEqual({ price: '$prompt' })
  })

  test('tells the conversation in the form that is asked for', () => {
    const messages: NeutralRequest['messages'] = [
      { role: 'system', parts: [{ kind: 'text', text: 'Be brief.' }] },
      { role: 'user', parts: [{ kind: 'text', text: 'Ebb?' }] },
      { role: 'assistant', parts: [{ kind: 'text', text: 'Noon.' }] },
      { role: 'user', parts: [{ kind: 'text', text: 'Flood?' }] },
    ]
    const body = { p: '$prompt', s: '$system', l: '$last_user', m: '$messages' }
    expect(bodyOf({ ...MINIMAL, body }, { ...REQUEST, messages })).toEqual({
      p: 'System: Be brief.\n\nUser: Ebb?\n\nAssistant: Noon.\n\nUser: Flood?\n\nAssistant:',
      s: 'Be brief.',
      l: 'Flood?',
      m: [
        { role: 'system', content: 'Be brief.' },
        { role: 'user', content: 'Ebb?' },
        { role: 'assistant', content: 'Noon.' },
        { role: 'user', content: 'Flood?' },
      ],
    })
  })

  test('accepts every template that it can fill', () => {
    fc.assert(
      fc.property(anyTemplate, (template) => {
        expect(templateObjection(template)).toBeNull()
      }),
    )
  })
})

describe('what the body has no place for', () => {
  const fields = (description: JsonObject, request: NeutralRequest): readonly string[] =>
    declared.gaps(request, target(description)).map(({ field }) => field)

  test('is a gap by the name that the client used', () => {
    const request: NeutralRequest = {
      ...REQUEST,
      temperature: 0.5,
      seed: 7,
      fieldNames: { seed: 'random_seed' },
      tools: [{ name: 'tide_table', parameters: null }],
    }
    expect(fields(MINIMAL, request)).toEqual(['temperature', 'random_seed', 'tools'])
    expect(fields({ ...MINIMAL, body: { q: '$prompt', t: '$temperature', s: '$seed' } }, request)).toEqual(['tools'])
  })

  test('is the conversation, where only its last message is told', () => {
    const description = { ...MINIMAL, body: { q: '$last_user' } }
    const turn = REQUEST.messages[0]
    if (turn === undefined) throw new Error('no message')
    expect(fields(description, REQUEST)).toEqual([])
    expect(fields(description, { ...REQUEST, messages: [turn, turn] })).toEqual(['messages'])
    expect(fields(description, { ...REQUEST, messages: [{ ...turn, role: 'system' }, turn] })).toEqual(['messages'])
  })

  test('is the model, where the target has no description', () => {
    expect(declared.gaps(REQUEST, TARGET).map(({ field }) => field)).toEqual(['model'])
  })
})
