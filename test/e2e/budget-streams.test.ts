// Streams that outgrow their budget, as official clients see them, in front of providers that keep books: cut within the slack,
// ended as one is that came to its output bound, and charged for exactly what was produced until the abort.
import { setTimeout as wait } from 'node:timers/promises'
import Anthropic from '@anthropic-ai/sdk'
import type OpenAI from 'openai'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import * as z from 'zod/mini'
import type { RequestRow } from '../../src/ledger/latest-requests.ts'
import type { CallBook } from '../../src/simulated/books.ts'
import {
  ask,
  clientOf,
  createRoute,
  createTenant,
  eventually,
  latestAttempts,
  says,
  simulatedTarget,
} from '../support/account.ts'
import { type RawProvider, startRawProvider } from '../support/raw-provider.ts'
import { type TestSystem, startTestSystem } from '../support/system.ts'

let system: TestSystem
let raw: RawProvider
/** Tokens that the test's own provider has written, by model, and characters that the client has been given. */
const written = new Map<string, number>()
const received = new Map<string, number>()

const PRICE = { price: { input_usd_per_million: '1', output_usd_per_million: '10' } }
/** Of output. */
const NANO_USD_PER_TOKEN = 10_000
/** A budget of this much output: reserved in the beginning are 1,024 tokens and the prompt. */
const BUDGET_TOKENS = 1_500
const BUDGET = { kind: 'budget', amount_usd: '0.015', period: 'day' } as const
/** What a provider may have written between our abort and its hearing of it: half a second of a stream where it writes by the clock,
 *  on a busy machine (none at all where nothing else runs); one token where it waits for each to arrive. */
const LATE_TOKENS_MAX = 48
const LATE_TOKENS_MAX_IN_STEP = 1
const QUESTION = 'Why does the tide come in twice a day?'

/** A model of everyone's own, whose output is all visible, on each wire. Simulated, eight tokens leave together, and none for about 80 ms after. */
const MODELS = {
  'chat over OpenAI': 'sim-gpt-4o-tokens3000-lumps8-chat',
  'chat over Anthropic': 'sim-claude-tokens3000-lumps8-chat',
  'messages over Anthropic': 'sim-claude-tokens3000-lumps8-messages',
  'messages over OpenAI': 'sim-gpt-4o-tokens3000-lumps8-messages',
  'responses over OpenAI': 'sim-gpt-4o-tokens3000-lumps8-responses',
  'responses over Responses': 'tide-responses',
  'of a revoked key': 'sim-gpt-4o-tokens3000-lumps8-revoked',
  clamped: 'sim-gpt-4o-fast-tokens3000-clamped',
} as const

beforeAll(async () => {
  system = await startTestSystem({ vars: { LEASE_TTL_MS: '4000' } })
  raw = await startRawProvider(async (response, body, request) => {
    const { model, stream } = z.object({ model: z.string(), stream: z.optional(z.boolean()) }).parse(JSON.parse(body))
    // It is only asked whether it is there.
    if (stream !== true) return void response.end('{}')
    response.writeHead(200, { 'content-type': 'text/event-stream' })
    const { socket } = request
    for (const piece of responsePieces(model)) {
      if (socket.destroyed) return
      written.set(model, (written.get(model) ?? 0) + piece.tokens)
      response.write(piece.text)
      // No token leaves before the client has the one before: of an abort that is under way one can be missed, and no more.
      const due = 4 * (written.get(model) ?? 0)
      if (piece.tokens > 0) await wait(10)
      while (!socket.destroyed && (received.get(model) ?? 0) < due) await wait(1)
    }
    response.end()
  })
  for (const model of Object.values(MODELS)) {
    const more = { ...PRICE, max_output_tokens: 4_000, capabilities: { reasoning: false } }
    const target = model.startsWith('tide')
      ? {
          id: model,
          provider: 'custom',
          dialect: 'openai-responses',
          base_url: raw.url,
          model,
          credential: 'SIMULATED_API_KEY',
          max_retries: 0,
          ...more,
        }
      : simulatedTarget(model, model, {
          ...more,
          probe_model: model.startsWith('sim-gpt') ? 'sim-gpt-fast' : 'sim-claude-fast',
        })
    await createRoute(system, model, [target])
  }
})
afterAll(async () => {
  await system.dispose()
  await raw.close()
})

/** A response of 3,000 tokens of four characters each, one at a time, as OpenAI's own stream has it. */
function* responsePieces(model: string): Generator<{ readonly text: string; readonly tokens: number }> {
  let number = 0
  const event = (type: string, fields: object): string =>
    `event: ${type}\ndata: ${JSON.stringify({ type, sequence_number: number++, ...fields })}\n\n`
  const response = {
    id: 'resp_tide',
    object: 'response',
    created_at: 1,
    model,
    status: 'in_progress',
    output: [],
    error: null,
  }
  const place = { item_id: 'msg_tide', output_index: 0, content_index: 0 }
  const item = { id: 'msg_tide', type: 'message', role: 'assistant', status: 'in_progress', content: [] }
  const part = { type: 'output_text', text: '', annotations: [], logprobs: [] }
  const opening = [
    event('response.created', { response }),
    event('response.in_progress', { response }),
    event('response.output_item.added', { output_index: 0, item }),
    event('response.content_part.added', { ...place, part }),
  ]
  yield { text: opening.join(''), tokens: 0 }
  for (let tokens = 0; tokens < 3_000; tokens++) {
    yield { text: event('response.output_text.delta', { ...place, delta: 'tide' }), tokens: 1 }
  }
}

/** What a stream came to for its client. */
interface Outcome {
  readonly text: string
  /** Its last event, as the SDK hands it out. */
  readonly last: unknown
}

const openai = (key: string): OpenAI => clientOf(system, key)
const anthropic = (key: string): Anthropic =>
  new Anthropic({ apiKey: key, baseURL: system.url, maxRetries: 0, logLevel: 'off' })

async function chat(key: string, model: string): Promise<Outcome> {
  const stream = openai(key).chat.completions.stream({
    model,
    messages: says(QUESTION),
    stream_options: { include_usage: true },
  })
  let last: unknown = null
  stream.on('chunk', (chunk) => (last = chunk))
  const { choices, usage } = await stream.finalChatCompletion()
  expect(choices).toMatchObject([{ finish_reason: 'length' }])
  expect(usage?.completion_tokens).toBeGreaterThan(0)
  return { text: choices[0]?.message.content ?? '', last }
}

async function messages(key: string, model: string): Promise<Outcome> {
  const stream = anthropic(key).messages.stream({ model, messages: says(QUESTION), max_tokens: 4_000 })
  let last: unknown = null
  stream.on('streamEvent', (event) => (last = event))
  const message = await stream.finalMessage()
  expect(message).toMatchObject({ stop_reason: 'max_tokens', usage: { output_tokens: expect.any(Number) } })
  return { text: message.content.map((block) => (block.type === 'text' ? block.text : '')).join(''), last }
}

async function responses(key: string, model: string): Promise<Outcome> {
  const stream = openai(key).responses.stream({ model, input: QUESTION })
  let last: unknown = null
  for await (const event of stream) {
    last = event
    if (event.type !== 'response.output_text.delta') continue
    received.set(model, (received.get(model) ?? 0) + event.delta.length)
  }
  const { output_text: text } = await stream.finalResponse()
  expect(last).toMatchObject({
    type: 'response.incomplete',
    response: {
      status: 'incomplete',
      incomplete_details: { reason: 'max_output_tokens' },
      output: [{ content: [{ text }] }],
    },
  })
  return { text, last }
}

async function callsOf(model: string): Promise<readonly CallBook[]> {
  const answer = await fetch(`${system.simulatedUrl}/books/calls`)
  const { calls } = z
    .object({ calls: z.array(z.custom<CallBook>((value) => typeof value === 'object')) })
    .parse(await answer.json())
  return calls.filter((call) => call.model === model)
}

/** Output tokens that the provider produced for its last call, once that is over. */
async function producedBy(model: string): Promise<number> {
  if (model.startsWith('tide')) {
    await eventually(
      () => raw.busy,
      (busy) => busy === 0,
    )
    return written.get(model) ?? 0
  }
  const calls = await eventually(
    () => callsOf(model),
    (found) => found.at(-1)?.ending === 'aborted',
  )
  return calls.at(-1)?.tokensOut ?? 0
}

async function rowOf(model: string): Promise<RequestRow> {
  const rows = await eventually(
    async () => (await latestAttempts(system)).filter((row) => row.model === model && row.ending === 'cut-by-limit'),
    (found) => found.length > 0,
  )
  return rows[0] ?? fail()
}

/** What was seen of the stream is charged: all that was produced until the abort. */
function expectBilled({ model, output_tokens: billed }: RequestRow, produced: number): void {
  expect(billed).toBeLessThanOrEqual(produced)
  const late = model?.startsWith('tide') === true ? LATE_TOKENS_MAX_IN_STEP : LATE_TOKENS_MAX
  expect(billed).toBeGreaterThanOrEqual(produced - late)
}

function fail(): never {
  throw new Error('no row')
}

describe.concurrent('a stream that outgrows its budget:', () => {
  test.each([
    ['chat over OpenAI', chat],
    ['chat over Anthropic', chat],
    ['messages over Anthropic', messages],
    ['messages over OpenAI', messages],
    ['responses over OpenAI', responses],
    ['responses over Responses', responses],
  ] as const)('%s', { timeout: 60_000 }, async (name, run) => {
    const model = MODELS[name]
    const tenant = name.toLowerCase().replaceAll(' ', '-')
    const { key } = await createTenant(system, tenant, { limits: { rules: [BUDGET] } })
    const { text, last } = await run(key, model)
    expect(last).toMatchObject({ tidegate: { reason: 'budget_exhausted', output_tokens: expect.any(Number) } })
    const row = await rowOf(model)
    const produced = await producedBy(model)
    expect(row).toMatchObject({ status: 200, failure: 'budget-exhausted', is_final: true })
    expectBilled(row, produced)
    expect(Math.ceil(text.length / 4)).toBe(row.output_tokens)
    expect(Number(row.cost_nano_usd)).toBeLessThanOrEqual(BUDGET_TOKENS * NANO_USD_PER_TOKEN)
    // All but the slack at a hundred tokens a second, the caution before a model is known, and what is too little to ask for.
    expect(produced).toBeGreaterThan((BUDGET_TOKENS - 64 - 50) * (3 / 4) - 75 - 16)
  })

  test('the stream of a revoked key ends too, and says why', { timeout: 30_000 }, async () => {
    const model = MODELS['of a revoked key']
    const minted = await createTenant(system, 'leaver')
    const stream = openai(minted.key).chat.completions.stream({ model, messages: says(QUESTION) })
    let last: unknown = null
    stream.on('chunk', (chunk) => (last = chunk))
    stream.once('chunk', () => void system.admin('POST', `/admin/keys/${minted.id}/revoke`))
    const { choices } = await stream.finalChatCompletion()
    expect(choices).toMatchObject([{ finish_reason: 'length' }])
    expect(last).toMatchObject({ tidegate: { reason: 'key_revoked' } })
    const row = await rowOf(model)
    expect(row).toMatchObject({ failure: 'key-revoked' })
    expectBilled(row, await producedBy(model))
  })
})

describe('a budget with less than a request may need', () => {
  test.each([false, true])('serves it as far as it goes, and says so (streamed: %s)', async (stream) => {
    const rule = { ...BUDGET, amount_usd: '0.003' }
    const { key } = await createTenant(system, `small-${stream}`, { limits: { rules: [rule] } })
    const body = { model: MODELS.clamped, messages: says(QUESTION), max_tokens: 2_000, stream }
    const response = await ask(system, key, body)
    const clamped = Number(response.headers.get('x-tidegate-clamped'))
    expect(clamped).toBeGreaterThan(200)
    expect(clamped).toBeLessThan(300)
    expect(await response.text()).toContain('"finish_reason":"length"')
    expect((await callsOf(MODELS.clamped)).at(-1)).toMatchObject({ ending: 'completed', tokensOut: clamped })
    const refused = await eventually(
      async () => {
        const again = await ask(system, key, body)
        await again.text()
        return again
      },
      ({ status }) => status !== 200,
    )
    expect(refused.status).toBe(402)
  })
})
