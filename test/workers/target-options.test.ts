// What a target says besides its model and its address, through the admin API: filled in, published, shown, changed. And the
// credentials that it names: stored so that nobody reads them again, replaced, moved to another key, never lost sight of.
import { applyD1Migrations } from 'cloudflare:test'
import { env } from 'cloudflare:workers'
import { Hono } from 'hono'
import { beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { RoutingSnapshot, Target } from '../../src/core/directory.ts'
import { sealedUnder, unseal } from '../../src/ledger/credentials/seal.ts'
import { createAdmin } from '../../src/control-plane/admin.ts'
import type { ProbeResult } from '../../src/control-plane/ports.ts'

const TOKEN = 'admin-token-of-the-tests'
const SECRETS = {
  ADMIN_TOKEN: TOKEN,
  KEY_PEPPER: 'pepper-of-the-tests',
  ENVIRONMENT: 'local',
  OPENAI_API_KEY: 'sk-provider',
  BEDROCK_CREDENTIALS: 'AKIDEXAMPLE:secret',
  BEDROCK_ACCESS_KEY: 'AKIDEXAMPLE:other',
}

let probed: Target[]
/** The paths that were asked for in place of a token. */
let asked: (string | undefined)[]
let answered: Partial<ProbeResult>
let nowMs: number

const admin = createAdmin({
  services: [],
  nowMs: () => nowMs,
  probe: async (target, _, path) => {
    probed.push(target)
    asked.push(path)
    return { ok: true, status: 200, latencyMs: 1, saw: 'ok', ...answered }
  },
})
const app = new Hono().route('/admin', admin)

beforeAll(() => applyD1Migrations(env.DB, env.TEST_MIGRATIONS))
beforeEach(async () => {
  const tables = ['routes', 'targets', 'credentials']
  await env.DB.batch(tables.map((table) => env.DB.prepare(`DELETE FROM ${table}`)))
  nowMs = Date.now()
  probed = []
  asked = []
  answered = {}
})

interface Answer {
  readonly status: number
  readonly text: string
  readonly body: {
    readonly rows: readonly unknown[]
    readonly settings: unknown
    readonly capabilities: unknown
    readonly error: { readonly message: string }
  }
}

async function call(method: string, path: string, body?: unknown, more: object = {}): Promise<Answer> {
  const headers = { authorization: `Bearer ${TOKEN}`, 'content-type': 'application/json' }
  const bindings = { DB: env.DB, DIRECTORY: env.DIRECTORY, TENANT_LIMITER: env.TENANT_LIMITER, ...SECRETS, ...more }
  const init = { method, headers, ...(body === undefined ? {} : { body: JSON.stringify(body) }) }
  const response = await app.request(`/admin${path}`, init, bindings)
  const text = await response.text()
  return { status: response.status, text, body: JSON.parse(text === '' ? 'null' : text) }
}

describe('options of targets', () => {
  const bedrock = {
    provider: 'bedrock-anthropic',
    model: 'anthropic.claude-haiku-4-5-20251001-v1:0',
    credential: 'BEDROCK_CREDENTIALS',
    id: 't',
  }

  it('fill the address, and are published and shown', async () => {
    const made = await call('POST', '/targets', {
      ...bedrock,
      auth: 'aws-sigv4',
      settings: { region: 'eu-west-1', api_version: '2023-09-30' },
      quirks: ['strict-fields'],
      capabilities: { vision: true, context_tokens: 200_000, json_schema: false },
      max_batch_size: 96,
    })
    expect(made).toMatchObject({
      status: 201,
      body: {
        base_url: 'https://bedrock-runtime.eu-west-1.amazonaws.com',
        auth: 'aws-sigv4',
        settings: { region: 'eu-west-1', api_version: '2023-09-30', host: 'bedrock' },
        quirks: ['strict-fields'],
        capabilities: { vision: true, context_tokens: 200_000, json_schema: false },
        max_batch_size: 96,
      },
    })
    expect((await env.DIRECTORY.get<RoutingSnapshot>('routing', 'json'))?.targets['t']).toMatchObject({
      auth: 'aws-sigv4',
      settings: { region: 'eu-west-1', apiVersion: '2023-09-30', host: 'bedrock' },
      quirks: ['strict-fields'],
      capabilities: { vision: true, contextTokens: 200_000, jsonSchema: false },
      maxBatchSize: 96,
    })
  })

  it('do not make a model of one vendor another: the operator is told where it is reached', async () => {
    const nova = { ...bedrock, model: 'eu.amazon.nova-pro-v1:0', settings: { region: 'eu-west-1' } }
    const refused = await call('POST', '/targets', nova)
    expect(refused).toMatchObject({ status: 422, body: { error: { field: 'model' } } })
    expect(refused.body.error.message).toContain('use the provider bedrock')
    expect(await call('POST', '/targets', { ...nova, provider: 'bedrock' })).toMatchObject({ status: 201 })
    await call('POST', '/targets', { ...bedrock, id: 'claude', settings: { region: 'eu-west-1' } })
    expect(await call('PATCH', '/targets/claude', { model: nova.model })).toMatchObject({ status: 422 })
  })

  it('come from the catalogue, and are shown empty where there are none', async () => {
    const made = await call('POST', '/targets', { ...bedrock, settings: { region: 'us-east-1' } })
    expect(made.body).toMatchObject({ auth: 'bearer', settings: { host: 'bedrock', region: 'us-east-1' } })
    const plain = await call('POST', '/targets', { provider: 'openai', model: 'gpt-4o' })
    const empty = { auth: null, settings: {}, quirks: ['no-top-k'], capabilities: {}, max_batch_size: null }
    expect(plain.body).toMatchObject(empty)
    const published = await env.DIRECTORY.get('routing', 'json')
    expect(published).toMatchObject({
      targets: { 'openai-gpt-4o': { capabilities: { vision: true, contextTokens: 128_000 } } },
    })
  })

  it('put small requests together, where they say so, and wait a little unless told otherwise', async () => {
    const plain = { provider: 'openai', model: 'text-embedding-3-small', id: 'vectors' }
    const made = await call('POST', '/targets', { ...plain, batching: { max_batch_size: 32 } })
    expect(made.body).toMatchObject({ batching: { max_batch_size: 32, max_wait_ms: 10 } })
    const kept = await call('PATCH', '/targets/vectors', { max_retries: 2 })
    expect(kept.body).toMatchObject({ batching: { max_batch_size: 32, max_wait_ms: 10 } })
    const published = () => env.DIRECTORY.get<RoutingSnapshot>('routing', 'json')
    expect((await published())?.targets['vectors']?.batching).toEqual({ maxBatchSize: 32, maxWaitMs: 10 })
    for (const batching of [
      { max_batch_size: 1 },
      { max_batch_size: 300 },
      { max_batch_size: 8, max_wait_ms: 5_000 },
    ]) {
      expect(await call('PATCH', '/targets/vectors', { batching })).toMatchObject({ status: 422 })
    }
    expect((await call('PATCH', '/targets/vectors', { batching: null })).body).toMatchObject({ batching: null })
    expect((await published())?.targets['vectors']).not.toHaveProperty('batching')
  })

  it('change one by one, null takes them away, and the address follows', async () => {
    await call('POST', '/targets', { ...bedrock, settings: { region: 'us-east-1' }, capabilities: { vision: true } })
    const changed = await call('PATCH', '/targets/t', {
      auth: 'aws-sigv4',
      credential: 'BEDROCK_ACCESS_KEY',
      settings: { region: 'eu-west-3' },
      capabilities: { vision: null, tools: true },
    })
    expect(changed.body).toMatchObject({
      base_url: 'https://bedrock-runtime.eu-west-3.amazonaws.com',
      auth: 'aws-sigv4',
      settings: { region: 'eu-west-3', host: 'bedrock' },
      capabilities: { tools: true },
    })
    expect(changed.body.capabilities).toEqual({ tools: true })
    expect(probed).toHaveLength(2)
    const without = await call('PATCH', '/targets/t', {
      auth: null,
      settings: { region: null },
      capabilities: { tools: null },
    })
    expect(without).toMatchObject({ status: 422, body: { error: { field: 'settings.region' } } })
    const own = await call('PATCH', '/targets/t', { base_url: 'https://bedrock.example.com', auth: null })
    expect(own.body).toMatchObject({ base_url: 'https://bedrock.example.com', auth: null })
    const kept = await call('PATCH', '/targets/t', { settings: { region: 'eu-west-1', host: null } })
    expect(kept.body).toMatchObject({ base_url: 'https://bedrock.example.com', settings: { region: 'eu-west-1' } })
    expect(kept.body.settings).toEqual({ region: 'eu-west-1' })
  })
})
