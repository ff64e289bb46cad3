// A provider dies in the middle of its stream, and official clients notice nothing but a note: the whole running gateway, in front
// of providers on both wires.
import Anthropic from '@anthropic-ai/sdk'
import type { ChatCompletionChunk } from 'openai/resources'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { RequestRow } from '../../src/ledger/latest-requests.ts'
import {
  type MintedKey,
  clientOf,
  createRoute,
  createTenant,
  eventually,
  latestAttempts,
  says,
  simulatedTarget,
} from '../support/account.ts'
import { type TestSystem, startTestSystem } from '../support/system.ts'

let system: TestSystem
let owner: MintedKey

const QUESTION = 'Why does the tide come in twice a day?'
/** The first dies, the other goes on; the first is looked at by the name of a sound model. */
const PAIRS = {
  'gpt-then-claude': ['sim-gpt-4o-fast-cut5', 'sim-claude-fast-a'],
  'claude-then-gpt': ['sim-claude-fast-cut5', 'sim-gpt-4o-fast-b'],
  'gpt-then-gpt': ['sim-gpt-4o-fast-errchunk7', 'sim-gpt-4o-fast-c'],
  'claude-then-claude': ['sim-claude-fast-stall6', 'sim-claude-fast-d'],
} as const
const NAMES = Object.keys(PAIRS)
const PRICE = { price: { input_usd_per_million: '1', output_usd_per_million: '10' } }

beforeAll(async () => {
  system = await startTestSystem()
  owner = await createTenant(system, 'acme')
  for (const [name, [first, second]] of Object.entries(PAIRS)) {
    const more = { ...PRICE, timeouts: { idle_ms: 300 } }
    const prefix = second.startsWith('sim-claude') ? { capabilities: { prefix: true } } : {}
    const targets = [
      simulatedTarget(`${name}-1`, first, { ...more, probe_model: first.replace(/-[a-z]+\d$/, '') }),
      simulatedTarget(`${name}-2`, second, { ...PRICE, ...prefix }),
    ]
    await createRoute(system, name, targets, {})
  }
  await createRoute(system, 'sound', [simulatedTarget('sound', 'sim-gpt-4o-fast')], {})
})
afterAll(() => system.dispose())

async function soundText(): Promise<string> {
  const reply = await clientOf(system, owner.key).chat.completions.create({ model: 'sound', messages: says(QUESTION) })
  return reply.choices[0]?.message.content ?? ''
}

/** The two attempts of the latest request for this model, in order. */
async function attemptsOf(model: string): Promise<readonly RequestRow[]> {
  const rows = await eventually(
    async () => (await latestAttempts(system)).filter((row) => row.requested_model === model),
    (found) => found.length >= 2,
  )
  return rows.toSorted((a, b) => a.attempt - b.attempt)
}

describe.each(NAMES)('%s', (model) => {
  test('the openai SDK gets one reply', async () => {
    const stream = await clientOf(system, owner.key).chat.completions.create({
      model,
      messages: says(QUESTION),
      stream: true,
      stream_options: { include_usage: true },
    })
    const chunks: ChatCompletionChunk[] = []
    for await (const chunk of stream) chunks.push(chunk)
    expect(chunks.map((chunk) => chunk.choices[0]?.delta.content ?? '').join('')).toBe(await soundText())
    expect(new Set(chunks.map(({ id }) => id)).size).toBe(1)
    expect(new Set(chunks.map((chunk) => chunk.model)).size).toBe(1)
    expect(chunks.flatMap((chunk) => chunk.choices[0]?.finish_reason ?? [])).toEqual(['stop'])
    expect(chunks.at(-1)).toMatchObject({ tidegate: { failover: { from: [`${model}-1`], to: `${model}-2` } } })
    const [first, second, ...rest] = await attemptsOf(model)
    expect(rest).toEqual([])
    expect(first).toMatchObject({ attempt: 1, is_final: false, target: `${model}-1` })
    expect(second?.tags).toContain('tidegate:continued')
    expect(second).toMatchObject({ attempt: 2, is_final: true, ending: 'finished', target: `${model}-2` })
    for (const row of [first, second]) expect(Number(row?.cost_nano_usd)).toBeGreaterThan(0)
  })

  test('the Anthropic SDK gets one message', async () => {
    const client = new Anthropic({ apiKey: owner.key, baseURL: system.url, maxRetries: 0, logLevel: 'off' })
    const stream = client.messages.stream({ model, max_tokens: 500, messages: says(QUESTION) })
    const message = await stream.finalMessage()
    const texts = message.content.map((block) => (block.type === 'text' ? block.text : `a ${block.type}`))
    expect(texts).toEqual([await soundText()])
    expect(message.stop_reason).toBe('end_turn')
    expect(message.usage.output_tokens).toBeGreaterThan(20)
  })
})

test('where the client does not want it, the SDK throws after what had come', async () => {
  const client = clientOf(system, owner.key)
  const body = { model: 'gpt-then-claude', messages: says(QUESTION), stream: true } as const
  const stream = await client.chat.completions.create(body, { headers: { 'x-tidegate-failover': 'off' } })
  let text = ''
  await expect(async () => {
    for await (const chunk of stream) text += chunk.choices[0]?.delta.content ?? ''
  }).rejects.toThrow(/broke off/)
  expect(text).not.toBe('')
  expect((await soundText()).startsWith(text)).toBe(true)
})
