// The reply cache of the running gateway: what is answered from it, and everything that must never be.
import type { ChatCompletionChunk } from 'openai/resources'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import {
  type MintedKey,
  ask,
  bookOf,
  clientOf,
  createRoute,
  createTenant,
  eventually,
  mintKey,
  routeSimulated,
  says,
  simulatedTarget,
} from '../support/account.ts'
import { type TestSystem, startTestSystem } from '../support/system.ts'

let system: TestSystem
let all: MintedKey
let other: MintedKey
let careful: MintedKey
let none: MintedKey

beforeAll(async () => {
  system = await startTestSystem()
  all = await createTenant(system, 'all', { cache: { mode: 'all' } })
  other = await createTenant(system, 'other', { cache: { mode: 'all' } })
  careful = await createTenant(system, 'careful', { cache: { mode: 'deterministic' } })
  none = await createTenant(system, 'none')
  await routeSimulated(system)
})
afterAll(() => system.dispose())

const WIRES = [
  ['OpenAI wire', 'sim-gpt-4o-fast'],
  ['Anthropic wire', 'sim-claude-fast'],
] as const

interface Answer {
  readonly status: number
  readonly cache: string | null
  readonly text: string
}

/** Asks and reads to the end. */
async function answerTo(key: string, body: object, headers: Record<string, string> = {}): Promise<Answer> {
  const response = await ask(system, key, body, { headers })
  const text = await response.text().catch(() => 'broken off')
  return { status: response.status, cache: response.headers.get('x-tidegate-cache'), text }
}

/** Asks until the answer comes from the cache: it is kept a moment after it was given. */
function untilHit(key: string, body: object): Promise<Answer> {
  return eventually(
    () => answerTo(key, body),
    (answer) => answer.cache === 'hit',
  )
}

describe.each(WIRES)('%s', (_, model) => {
  test.each(['streamed', 'whole'])(
    'what was first asked %s is then answered from the cache both ways',
    async (first) => {
      const client = clientOf(system, all.key)
      const own = `${model}-${first}`
      const body = { model: own, messages: says('The same question') }
      expect(await answerTo(all.key, { ...body, stream: first === 'streamed' })).toMatchObject({ cache: 'miss' })
      await untilHit(all.key, body)
      const book = await bookOf(system.simulatedUrl, own)

      const { data: whole, response } = await client.chat.completions.create(body).withResponse()
      const streaming = await client.chat.completions.create({ ...body, stream: true }).withResponse()
      const chunks: ChatCompletionChunk[] = []
      for await (const chunk of streaming.data) chunks.push(chunk)
      for (const { headers } of [response, streaming.response]) expect(headers.get('x-tidegate-cache')).toBe('hit')
      expect(response.headers.get('x-tidegate-cost-usd')).toBe('0.000000000')
      expect(await bookOf(system.simulatedUrl, own)).toEqual(book)

      const text = chunks.map((chunk) => chunk.choices[0]?.delta.content ?? '').join('')
      expect(text).toBe(whole.choices[0]?.message.content)
      expect(chunks.at(-1)?.choices[0]?.finish_reason).toBe('stop')
      const fresh = await client.chat.completions.create(body, { headers: { 'cache-control': 'no-store' } })
      expect(text).toBe(fresh.choices[0]?.message.content)
      expect(whole.choices[0]?.finish_reason).toBe('stop')
      expect(whole.usage?.total_tokens).toBe(fresh.usage?.total_tokens)
    },
  )

  test('a stream from the cache tells usage only when it is asked for', async () => {
    const body = { model, messages: says('How much was that?') }
    await untilHit(all.key, body)
    const unasked = await answerTo(all.key, { ...body, stream: true })
    const asked = await answerTo(all.key, { ...body, stream: true, stream_options: { include_usage: true } })
    expect(unasked).toMatchObject({ cache: 'hit', text: expect.stringMatching(/data: \[DONE\]\n\n$/) })
    expect(unasked.text).not.toContain('total_tokens')
    expect(asked.cache).toBe('hit')
    expect(asked.text).toContain('total_tokens')
  })
})

describe('who gets it', () => {
  const body = { model: 'sim-gpt-4o-fast', messages: says('Whose answer?') }

  test('every key of the tenant, but no other tenant', async () => {
    await untilHit(all.key, body)
    const colleague = await mintKey(system, 'all', 'colleague')
    expect(await answerTo(colleague.key, body)).toMatchObject({ cache: 'hit' })
    expect(await answerTo(other.key, body)).toMatchObject({ cache: 'miss' })
    expect(await answerTo(none.key, body)).toMatchObject({ cache: 'off' })
  })

  test('not who asks for a fresh one', async () => {
    await untilHit(all.key, body)
    expect(await answerTo(all.key, body, { 'cache-control': 'no-store' })).toMatchObject({ cache: 'bypass' })
    expect(await answerTo(all.key, body, { 'x-tidegate-cache': 'off' })).toMatchObject({ cache: 'bypass' })
    expect(await answerTo(all.key, body)).toMatchObject({ cache: 'hit' })
  })

  test('not who asks anything else', async () => {
    await untilHit(all.key, body)
    for (const change of [{ messages: says('Whose answer ?') }, { temperature: 0.5 }, { max_tokens: 4000 }]) {
      expect(await answerTo(all.key, { ...body, ...change })).toMatchObject({ cache: 'miss' })
    }
    for (const change of [{ user: 'someone' }, { metadata: { a: 'b' } }]) {
      expect(await answerTo(all.key, { ...body, ...change })).toMatchObject({ cache: 'hit' })
    }
  })

  test('a careful tenant only where the reply is determined', async () => {
    expect(await answerTo(careful.key, body)).toMatchObject({ cache: 'bypass' })
    expect(await untilHit(careful.key, { ...body, temperature: 0 })).toMatchObject({ status: 200 })
    expect(await untilHit(careful.key, { ...body, seed: 7 })).toMatchObject({ status: 200 })
  })
})

describe('what is never kept', () => {
  const TOOLS = [{ type: 'function', function: { name: 'get_tide', parameters: { type: 'object', properties: {} } } }]
  const NO_HIT = /^(?:miss|bypass)$/
  const CASES: readonly (readonly [string, { readonly model: string } & Readonly<Record<string, unknown>>])[] = [
    ['an error', { model: 'sim-gpt-4o-fast-e500' }],
    ['a reply that breaks off', { model: 'sim-gpt-4o-fast-cut3' }],
    ['a reply with an error in it', { model: 'sim-gpt-4o-fast-errchunk3' }],
    ['a reply with garbage in it', { model: 'sim-gpt-4o-fast-garbage3' }],
    ['a reply that never says it is finished', { model: 'sim-gpt-4o-fast-truncated' }],
    ['a reply that was cut at its bound', { model: 'sim-gpt-4o-fast', max_tokens: 5 }],
    ['a tool call', { model: 'sim-gpt-4o-fast', tools: TOOLS }],
    ['several choices', { model: 'sim-gpt-4o-fast', n: 2 }],
    ['a reply with an error in it, translated', { model: 'sim-claude-fast-errchunk3' }],
    ['a reply that never says it is finished, translated', { model: 'sim-claude-fast-truncated' }],
    ['a reply that was cut at its bound, translated', { model: 'sim-claude-fast', max_tokens: 5 }],
  ]

  test.each(CASES)('%s, streamed and whole', async (name, { model, ...change }) => {
    // A target that fails too often is left alone: each case gets its own.
    const own = `${model}-${name.replaceAll(/[^a-z]/g, '')}`
    await createRoute(system, own, [simulatedTarget(own, own, { model: '*', probe_model: 'sim-fast' })])
    const body = { model: own, messages: says('Not to be kept'), ...change }
    for (const stream of [true, false]) expect((await answerTo(all.key, { ...body, stream })).cache).toMatch(NO_HIT)
    // By the time that a later reply has been kept, these would have been, too.
    await untilHit(all.key, { model: 'sim-gpt-4o-fast', messages: says(`To be kept after ${name}`) })
    for (const stream of [true, false]) expect((await answerTo(all.key, { ...body, stream })).cache).toMatch(NO_HIT)
  })
})
