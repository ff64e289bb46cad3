// Laws of editing JSON as text, held against parsing it.
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { isJsonObject, parseJson } from '../../src/core/json.ts'
import type { Json, JsonObject } from '../../src/core/json.ts'
import { memberSpans, spliceMembers } from '../../src/wire/splice.ts'

const anyObject: fc.Arbitrary<JsonObject> = fc
  .dictionary(fc.oneof(fc.constantFrom('model', 'stream', 'messages'), fc.string()), fc.jsonValue())
  .map((value) => parseJson(JSON.stringify(value)) ?? null)
  .filter(isJsonObject)

const anyIndent = fc.constantFrom(undefined, 1, '\t', '\r\n ')

function hasPlainNames(object: JsonObject): boolean {
  return Object.keys(object).every((name) => JSON.stringify(name) === `"${name}"`)
}

describe('splicing', () => {
  test('finds every member, in order, with exactly its value', () => {
    fc.assert(
      fc.property(anyObject.filter(hasPlainNames), anyIndent, (object, indent) => {
        const text = JSON.stringify(object, null, indent)
        const spans = memberSpans(text) ?? []
        expect(spans.map((span) => [span.name, parseJson(text.slice(span.valueStart, span.end))])).toEqual(
          Object.entries(object),
        )
      }),
    )
  })

  test('sets what it is told and keeps the rest to the byte', () => {
    fc.assert(
      fc.property(anyObject.filter(hasPlainNames), anyIndent, fc.jsonValue(), (object, indent, value) => {
        const members: Readonly<Record<string, Json>> = { model: 'm', extra: parseJson(JSON.stringify(value)) ?? null }
        const text = JSON.stringify(object, null, indent)
        const spliced = spliceMembers(text, members) ?? ''
        expect(parseJson(spliced)).toEqual({ ...object, ...members })
        for (const span of memberSpans(text) ?? []) {
          if (!(span.name in members)) expect(spliced).toContain(text.slice(span.start, span.end))
        }
      }),
    )
  })

  test('never edits wrongly: any JSON text is spliced as parsing would, or given back as too odd', () => {
    const anyText = fc
      .tuple(fc.array(fc.tuple(fc.constantFrom('"model"', '"a"', '"\\u006dodel"'), fc.jsonValue())), anyIndent)
      .map(([members]) => `{${members.map(([name, value]) => `${name} : ${JSON.stringify(value)}`).join(' , ')}}`)
    fc.assert(
      fc.property(anyText, (text) => {
        const parsed = parseJson(text)
        const spliced = spliceMembers(text, { model: 'm' })
        if (spliced !== null)
          expect(parseJson(spliced)).toEqual({ ...(isJsonObject(parsed) ? parsed : {}), model: 'm' })
      }),
    )
  })

  test('gives back what is odd: repeated or escaped names, no object', () => {
    for (const text of ['{"a":1,"a":2}', '{"\\u0061":1}', '[1]', '"x"', '', '{"a":1', '{"a" 1}', '{"a":1}{']) {
      expect(spliceMembers(text, { model: 'm' })).toBeNull()
    }
  })

  test('puts a new member into an empty object', () => {
    expect(spliceMembers(' { } ', { model: 'm' })).toBe(' {"model":"m" } ')
  })

  test('never loops or throws on text that is no JSON', () => {
    fc.assert(
      fc.property(
        fc.array(fc.constantFrom('{', '}', '[', ']', '"', '\\', ',', ':', '1', ' '), { maxLength: 30 }),
        (tokens) => {
          const spans = memberSpans(`{${tokens.join('')}`)
          expect(spans === null || Array.isArray(spans)).toBe(true)
        },
      ),
    )
  })
})
