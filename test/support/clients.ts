// A whole system for official clients: a route to a model on every wire, and a listening post in front of the providers, so that
// a test also knows what reached them. What a client asks is remembered, to be looked for in the ledger.
import { request as httpRequest } from 'node:http'
import { expect } from 'vitest'
import { type JsonObject, isJsonObject, parseJson } from '../../src/core/json.ts'
import type { RequestRow } from '../../src/ledger/latest-requests.ts'
import { type MintedKey, createRoute, createTenant, eventually, latestAttempts, usageBy } from './account.ts'
import { streamedResponse, wholeResponse } from './clients-responses.ts'
import { type RawAnswer, startRawProvider } from './raw-provider.ts'
import { type TestSystem, startTestSystem } from './system.ts'

/** A model on each wire, with what it can do besides talking. */
export const MODELS = {
  'openai-chat': 'sim-gpt-4o-fast',
  'openai-responses': 'tide-responses',
  'anthropic-messages': 'sim-claude-fast',
  gemini: 'sim-gemini-3-fast',
  'bedrock-converse': 'sim-bedrock-claude-fast',
  ollama: 'sim-llama-fast',
  cohere: 'sim-command-fast',
  'declared (lines)': 'sim-inhouse-fast',
  'declared (socket)': 'sim-socket-fast',
} as const
export type ModelWire = keyof typeof MODELS

/** Every wire with its model. */
export const ALL_WIRES = Object.entries(MODELS)
/** The wires that know tools, pictures and schemas. */
export const RICH_WIRES = ALL_WIRES.filter(([wire]) => !wire.startsWith('declared'))
/** The wires whose models show what they think. */
export const THINKING_WIRES = RICH_WIRES.filter(([wire]) => wire !== 'openai-chat')

/** A picture of one pixel. */
export const PIXEL = 'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=='
export const PORT_SCHEMA = {
  type: 'object',
  properties: { port: { type: 'string' } },
  required: ['port'],
  additionalProperties: false,
} as const
export const PLACE_SCHEMA = {
  type: 'object',
  properties: { place: { type: 'string' } },
  required: ['place'],
  additionalProperties: false,
} as const
export const QUESTION = 'Why does the tide come in twice a day?'

/** What a provider was sent. */
export interface Heard {
  readonly path: string
  readonly body: JsonObject
}

export interface ClientWorld {
  readonly system: TestSystem
  readonly owner: MintedKey
  /** Address of the test's own provider. */
  readonly rawUrl: string
  /** Calls of the providers since `forget`, the oldest first. */
  heard(): readonly Heard[]
  forget(): void
  /** For SDKs: the usual `fetch`, which remembers what was asked of the gateway. */
  readonly fetch: typeof globalThis.fetch
  /** Holds that the ledger has one event, with tokens and cost, for each request so far; returns them. */
  expectLedger(): Promise<readonly RequestRow[]>
  dispose(): Promise<void>
}

const PRICE = { price: { input_usd_per_million: '1', output_usd_per_million: '2' } }
const SIMULATED = [
  // The simulated OpenAI takes four texts to embed at once.
  ['sim-gpt*', 'simulated-openai', '/openai/v1', { max_batch_size: 4 }],
  ['sim-claude*', 'simulated-anthropic', '/anthropic/v1', {}],
  ['sim-gemini*', 'simulated-gemini', '/gemini/v1beta', {}],
  ['sim-bedrock*', 'simulated-bedrock', '/bedrock', {}],
  ['sim-llama*', 'simulated-ollama', '/ollama/api', {}],
  ['sim-command*', 'simulated-cohere', '/cohere/v2', {}],
  ['sim-inhouse*', 'simulated-inhouse', '/inhouse', {}],
  ['sim-socket*', 'simulated-socket', null, {}],
] as const

/** Starts a system with a route to every wire, and to `raw` where the test has a provider of its own. */
export async function startClientWorld(raw?: RawAnswer): Promise<ClientWorld> {
  const system = await startTestSystem()
  const owner = await createTenant(system, 'acme')
  let heard: Heard[] = []
  const post = await startRawProvider((response, body, request) => {
    const path = (request.url ?? '').replace(/^\/v1(?=\/own)/, '')
    const json = parseJson(body)
    heard.push({ path, body: isJsonObject(json) ? json : {} })
    if (path.startsWith('/responses')) return answerResponses(response, isJsonObject(json) ? json : {})
    if (path.startsWith('/raw/') && raw !== undefined) return raw(response, body, request)
    return forward(`${system.simulatedUrl}${path}`, response, body, request)
  })
  const origin = `http://127.0.0.1:${post.port}`
  const common = { model: '*', max_retries: 0, credential: 'SIMULATED_API_KEY', ...PRICE }
  for (const [model, provider, path, settings] of SIMULATED) {
    const address = path === null ? {} : { base_url: origin + path }
    const probe = { probe_model: model.replace('*', '-fast') }
    await createRoute(system, model, [{ id: provider, provider, ...common, ...probe, ...address, ...settings }])
  }
  const responses = { provider: 'custom', dialect: 'openai-responses', base_url: origin }
  await createRoute(system, 'tide-responses*', [{ id: 'responses', ...common, ...responses }])
  heard = []
  const asked: string[] = []
  return {
    system,
    owner,
    rawUrl: `${origin}/raw`,
    heard: () => heard,
    forget: () => void (heard = []),
    fetch: async (input, init) => {
      const response = await fetch(input, init)
      const id = response.headers.get('x-tidegate-request-id')
      if (response.ok && id !== null && !response.url.endsWith('/count_tokens')) asked.push(id)
      return response
    },
    expectLedger: () => expectLedger(system, asked),
    async dispose() {
      await post.close()
      await system.dispose()
    },
  }
}

const answerResponses = (response: Parameters<RawAnswer>[0], body: JsonObject): void => {
  const isStreamed = body['stream'] === true
  response.writeHead(200, { 'content-type': isStreamed ? 'text/event-stream' : 'application/json' })
  response.end(isStreamed ? streamedResponse(body) : JSON.stringify(wholeResponse(body)))
}

const forward = async (url: string, ...[response, body, { method, headers }]: Parameters<RawAnswer>): Promise<void> => {
  await new Promise<void>((resolve, reject) => {
    const { host: _, connection: __, ...passed } = headers
    const call = httpRequest(url, { method, headers: passed }, (answer) => {
      response.writeHead(answer.statusCode ?? 502, answer.headers)
      answer.on('error', (error) => response.destroy(error))
      answer.pipe(response)
      resolve()
    })
    call.on('error', reject)
    call.end(body)
  })
}

async function expectLedger(system: TestSystem, asked: readonly string[]): Promise<readonly RequestRow[]> {
  const ids = new Set(asked)
  expect(ids.size).toBe(asked.length)
  expect(ids.size).toBeGreaterThan(0)
  const report = await eventually(
    () => usageBy(system, 'model'),
    ({ total }) => total.requests >= ids.size,
  )
  expect(report.total.requests).toBe(ids.size)
  const rows = (await latestAttempts(system)).filter((row) => ids.has(row.request_id))
  expect(rows.map((row) => row.request_id).toSorted()).toEqual([...ids].toSorted())
  for (const row of rows) {
    expect(row).toMatchObject({ status: 200, ending: 'finished', is_final: true, is_estimated: false })
    expect({ model: row.model, tokens: row.input_tokens > 0 }).toEqual({ model: row.model, tokens: true })
    expect({ model: row.model, cost: row.cost_nano_usd !== '0' }).toEqual({ model: row.model, cost: true })
  }
  return rows
}
