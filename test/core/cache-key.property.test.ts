// Which requests are the same for the reply cache: those that must get the same answer, and no others.
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { cacheKeyText } from '../../src/core/cache-key.ts'
import { type Json, type JsonObject, isJsonObject } from '../../src/core/json.ts'

const SCOPE = { tenantId: 't', protocol: 'chat', routing: 'a/m' }
const DROPPED = [
  'user',
  'metadata',
  'store',
  'stream',
  'stream_options',
  'tidegate',
  'safety_identifier',
  'prompt_cache_key',
]

/** Any text that JSON can carry, half of an emoji included. */
const texts = fc.oneof(fc.string({ unit: 'binary' }), fc.constantFrom('\ud83d', '\ude00x', '__proto__', 'toJSON'))
const { value: values } = fc.letrec<{ value: Json }>((tie) => ({
  value: fc.oneof(
    { depthSize: 'small' },
    fc.constant(null),
    fc.boolean(),
    fc.integer(),
    texts,
    fc.array(tie('value'), { maxLength: 4 }),
    fc.array(fc.tuple(texts, tie('value')), { maxLength: 4 }).map((members) => Object.fromEntries(members)),
  ),
}))
const bodies: fc.Arbitrary<JsonObject> = fc
  .array(fc.tuple(fc.oneof(texts, fc.constantFrom('messages', 'temperature', 'seed', 'tools')), values), {
    maxLength: 6,
  })
  .map((members) => Object.fromEntries(members.filter(([name]) => !DROPPED.includes(name))))

function key(body: JsonObject, scope: Partial<typeof SCOPE> = {}): string {
  return cacheKeyText(body, { ...SCOPE, ...scope })
}

/** The same value with the members of every object in reverse order. */
function reversed(value: Json): Json {
  if (Array.isArray(value)) return value.map(reversed)
  if (!isJsonObject(value)) return value
  const members = Object.entries(value).map(([name, member]) => [name, reversed(member ?? null)] as const)
  return Object.fromEntries(members.toReversed())
}

describe('two requests are the same for the cache', () => {
  test('when they differ in the order of their members only', () => {
    fc.assert(
      fc.property(bodies, (body) => {
        const other = reversed(body)
        if (isJsonObject(other)) expect(key(other)).toBe(key(body))
      }),
    )
  })

  test('when they differ in what does not change the answer only', () => {
    fc.assert(
      fc.property(bodies, fc.constantFrom(...DROPPED), values, (body, name, value) => {
        expect(key({ ...body, [name]: value })).toBe(key(body))
      }),
    )
  })

  test('when one leaves out what the other sets to null', () => {
    fc.assert(
      fc.property(bodies, (body) => {
        expect(key({ ...body, seed: null })).toBe(key({ ...body, seed: undefined }))
      }),
    )
  })
})

describe('two requests are different for the cache', () => {
  test('when anything else differs', () => {
    fc.assert(
      fc.property(bodies, bodies, (one, other) => {
        const present = (body: JsonObject): unknown =>
          Object.fromEntries(Object.entries(body).filter(([, value]) => value !== null))
        const isSame = JSON.stringify(ordered(present(one))) === JSON.stringify(ordered(present(other)))
        expect(key(one) === key(other)).toBe(isSame)
      }),
      { numRuns: 500 },
    )
  })

  test('when a text differs by any character, half of one included', () => {
    fc.assert(
      fc.property(texts, texts, (one, other) => {
        const ask = (content: string): JsonObject => ({ messages: [{ role: 'user', content }] })
        expect(key(ask(one)) === key(ask(other))).toBe(one === other)
      }),
    )
  })

  test('when lists are in another order', () => {
    expect(key({ stop: ['a', 'b'] })).not.toBe(key({ stop: ['b', 'a'] }))
  })

  test('when one has a member of any name that the other has not', () => {
    fc.assert(
      fc.property(texts, (name) => {
        if (DROPPED.includes(name)) return
        expect(key(Object.fromEntries([[name, 1]]))).not.toBe(key({}))
      }),
    )
  })

  test('when they come from different tenants, protocols or routes', () => {
    fc.assert(
      fc.property(bodies, texts, fc.constantFrom('tenantId', 'protocol', 'routing'), (body, other, name) => {
        if (other !== SCOPE[name]) expect(key(body, { [name]: other })).not.toBe(key(body))
      }),
    )
  })

  test('when a number is beyond what JSON numbers can say', () => {
    const huge: Json = JSON.parse('{"a":[1e999]}')
    if (isJsonObject(huge)) expect(key(huge)).not.toBe(key({ a: [null] }))
  })
})

/** Members in one order: sorted by name, at every level. */
function ordered(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(ordered)
  if (!isJsonObject(value)) return value
  const members = Object.entries(value).map(([name, member]) => [name, ordered(member)] as const)
  return members.toSorted(([a], [b]) => (a < b ? -1 : 1))
}
