// What a target says besides its model and its address, through the admin API: filled in, published, shown, changed. And the
// credentials that it names: stored so that nobody reads them again, replaced, moved to another key, never lost sight of.
import { applyD1Migrations } from 'cloudflare:test'
import { env } from 'cloudflare:workers'
import { Hono } from 'hono'
import { beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { RoutingSnapshot, Target } from '../../src/core/directory.ts'
import { forgetFormer } from '../../src/ledger/credentials/forget.ts'
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

describe('credentials by name', () => {
  const VALUE = 'sk-live-0123456789-abcdWXYZ'
  const KEY = btoa('k'.repeat(32))
  const LATER_KEY = btoa('l'.repeat(32))
  const stored = (name = 'main', more: object = {}, keys: object = { CREDENTIAL_KEY: KEY }) =>
    call('POST', '/credentials', { name, provider: 'openai', value: VALUE, ...more }, keys)
  const target = { id: 't', provider: 'openai', model: 'gpt-4o', credential: 'main' }
  const snapshot = async () => (await env.DIRECTORY.get<RoutingSnapshot>('routing', 'json'))?.credentials ?? {}

  /** Everything that is kept anywhere. */
  async function everything(): Promise<string> {
    const tables = await env.DB.prepare(
      `SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE '\\_cf%' ESCAPE '\\'`,
    ).all<{ name: string }>()
    const rows = await env.DB.batch(tables.results.map(({ name }) => env.DB.prepare(`SELECT * FROM "${name}"`)))
    const { keys } = await env.DIRECTORY.list()
    const values = await Promise.all(keys.map(({ name }) => env.DIRECTORY.get(name)))
    return JSON.stringify([rows.map(({ results }) => results), values])
  }

  /** What the snapshot holds of a credential, opened. */
  async function opened(name: string, keys: object): Promise<{ readonly value: string }> {
    const is = (await snapshot())[name]?.is
    if (is === undefined || !('sealed' in is)) throw new Error(`${name} is not stored`)
    const text = await unseal(keys, { id: name, version: is.version }, is.sealed)
    return { value: text.ok ? text.value : text.error }
  }

  it('are used by targets, shown by their end, and nowhere to be read: in no answer, table or snapshot', async () => {
    const made = await stored()
    expect(made).toMatchObject({
      status: 201,
      body: { name: 'main', kind: 'stored', secret: null, fingerprint: 'WXYZ', version: 1, problem: null, targets: [] },
    })
    expect(await call('POST', '/targets', target)).toMatchObject({ status: 201, body: { credential: 'main' } })
    expect(probed[0]?.held).toEqual({ main: { sealed: expect.any(String), version: 1 } })
    expect(await opened('main', { CREDENTIAL_KEY: KEY })).toEqual({ value: VALUE })
    const wrong = await stored('main')
    expect(wrong).toMatchObject({ status: 409, body: { error: { field: 'name' } } })
    const paths = [
      '/credentials',
      '/credentials/main',
      '/targets',
      '/targets/t',
      '/configuration',
      '/audit',
      '/overview',
    ]
    const answers = await Promise.all(paths.map((path) => call('GET', path, undefined, { CREDENTIAL_KEY: KEY })))
    expect(answers.map(({ status }) => status)).toEqual(paths.map(() => 200))
    expect(answers[0]?.body.rows).toMatchObject([{ name: 'main', targets: ['t'], fingerprint: 'WXYZ' }])
    expect(answers[5]?.text).toContain('credentials.create')
    const all = [made, wrong, ...answers].map(({ text }) => text).join('') + (await everything())
    expect(all).toContain('WXYZ')
    for (const part of [VALUE, VALUE.slice(0, 12), VALUE.slice(8), btoa(VALUE).slice(0, 20)])
      expect(all).not.toContain(part)
    expect([...answers.slice(0, 2), ...answers.slice(4)].map(({ text }) => text).join('')).not.toContain('"v1.')
  })

  it('need a key to be stored under, and say how to make one; those of the Worker need none', async () => {
    for (const keys of [{}, { CREDENTIAL_KEY: 'abc' }]) {
      const refused = await stored('main', {}, keys)
      expect(refused).toMatchObject({ status: 503, body: { error: { code: 'no_credential_key' } } })
      expect(refused.body.error.message).toContain('openssl rand -base64 32')
    }
    expect(await stored('main', { value: undefined, secret: 'OPENAI_API_KEY' }, {})).toMatchObject({
      status: 201,
      body: { kind: 'worker-secret', secret: 'OPENAI_API_KEY', fingerprint: null, problem: null },
    })
    const store = { STORE_API_KEY: { get: async () => VALUE } }
    const kept = await stored('in-store', { value: undefined, secret: 'STORE_API_KEY' }, store)
    expect(kept).toMatchObject({ status: 201, body: { kind: 'secrets-store' } })
    expect(await call('POST', '/targets', target)).toMatchObject({ status: 201 })
    expect(await snapshot()).toEqual({ main: { is: { secret: 'OPENAI_API_KEY' } } })
  })

  it.each([
    [{ secret: 'OPENAI_API_KEY' }, 'value'],
    [{ value: undefined }, 'value'],
    [{ value: undefined, secret: 'KEY_PEPPER' }, 'secret'],
    [{ value: undefined, secret: 'MISSING_API_KEY' }, 'secret'],
    [{ value: 'two\nlines' }, 'value'],
    [{ value: ' ' }, 'value'],
    [{ value: { some: 'object' } }, 'value'],
    [{ value: 7 }, 'value'],
    [{ name: 'OPENAI_API_KEY' }, 'name'],
    [{ name: 'main@1' }, 'name'],
    [{ provider: 'nobody' }, 'provider'],
  ])('are refused where they can’t be sent or told apart: %j', async (more, field) => {
    const refused = await stored('main', more)
    expect(refused).toMatchObject({ status: 422, body: { error: { field } } })
    expect(refused.text).not.toContain(VALUE)
  })

  it('may be a key pair or a service account, given as their makers write them', async () => {
    const pair = { access_key_id: 'AKIDEXAMPLE', secret_access_key: 'wJalrXUtnFEMIbPxRfiCYEXAMPLEKEY' }
    await stored('aws', { provider: null, value: pair })
    const account = {
      client_email: 'a@b.iam',
      private_key: '-----BEGIN',
      private_key_id: '0123456789abcdef0123456789abcdef',
    }
    expect((await stored('google', { provider: null, value: account })).body).toMatchObject({ fingerprint: 'cdef' })
    await stored('pasted', { provider: null, value: `${JSON.stringify(account, null, 2)}\n` })
    for (const name of ['aws', 'google', 'pasted']) {
      await call('POST', '/targets', {
        ...target,
        id: name,
        provider: 'custom',
        base_url: 'https://a.test',
        credential: name,
      })
    }
    expect(await opened('aws', { CREDENTIAL_KEY: KEY })).toMatchObject({
      value: 'AKIDEXAMPLE:wJalrXUtnFEMIbPxRfiCYEXAMPLEKEY',
    })
    for (const name of ['google', 'pasted']) {
      const { value } = await opened(name, { CREDENTIAL_KEY: KEY })
      expect(JSON.parse(value)).toEqual(account)
    }
  })

  it('are for their provider’s targets, and have to be there', async () => {
    await stored()
    const mistral = { ...target, provider: 'mistral', model: 'mistral-small-latest' }
    const foreign = await call('POST', '/targets', mistral)
    expect(foreign).toMatchObject({ status: 422, body: { error: { field: 'credential' } } })
    expect(foreign.body.error.message).toContain('main is for openai')
    const missing = await call('POST', '/targets', { ...target, credentials: ['nothing'], credential: undefined })
    expect(missing).toMatchObject({ status: 422, body: { error: { code: 'unknown_credential' } } })
    await stored('spare', { provider: null })
    const both = { ...target, credential: undefined, credentials: ['main', 'spare', 'OPENAI_API_KEY'] }
    expect(await call('POST', '/targets', both)).toMatchObject({ status: 201 })
    expect(Object.keys(await snapshot()).toSorted()).toEqual(['main', 'spare'])
    expect(probed.map(({ credential }) => credential)).toEqual(both.credentials)
  })

  it('are replaced: what they were is tried for a while, then not any more', async () => {
    await stored()
    await call('POST', '/targets', target)
    const rotated = await call(
      'POST',
      '/credentials/main/rotate',
      { value: 'sk-second', overlap_seconds: 60 },
      { CREDENTIAL_KEY: KEY },
    )
    expect(rotated).toMatchObject({
      status: 200,
      body: { version: 2, fingerprint: null, previous_until_ms: nowMs + 60_000, rotated_at_ms: nowMs },
    })
    expect(await opened('main', { CREDENTIAL_KEY: KEY })).toEqual({ value: 'sk-second' })
    const previous = (await snapshot())['main']?.previous
    expect(previous).toMatchObject({ version: 1, untilMs: nowMs + 60_000, was: { version: 1 } })
    const kept = async () => (await env.DB.prepare(`SELECT previous FROM credential_values`).first())?.['previous']
    await forgetFormer(env.DB, nowMs + 59_999)
    expect(await kept()).toContain('sealed')
    await forgetFormer(env.DB, nowMs + 60_000)
    expect(await kept()).toBeNull()
    await call('POST', '/credentials/main/rotate', { secret: 'OPENAI_API_KEY', overlap_seconds: 0 })
    expect(await snapshot()).toEqual({ main: { is: { secret: 'OPENAI_API_KEY' } } })
    expect(await everything()).not.toMatch(/v1\.[0-9a-f]{8}\./)
    const entries = await call('GET', '/audit?subject=main&limit=3')
    expect(entries.body.rows).toMatchObject([
      { what: 'credentials.rotate', detail: { version: 3, secret: 'OPENAI_API_KEY' } },
      { what: 'credentials.rotate', detail: { version: 2, kind: 'stored' } },
      { what: 'credentials.create' },
    ])
  })

  it('stay while a target uses them, and it is said which', async () => {
    await stored()
    await call('POST', '/targets', target)
    const refused = await call('DELETE', '/credentials/main')
    expect(refused).toMatchObject({ status: 409, body: { error: { code: 'referenced' } } })
    expect(refused.body.error.message).toContain('targets t:')
    await call('PATCH', '/targets/t', { credential: 'OPENAI_API_KEY' })
    expect((await call('DELETE', '/credentials/main')).status).toBe(204)
    expect((await env.DB.prepare(`SELECT count(*) AS n FROM credential_values`).first())?.['n']).toBe(0)
    expect(await call('GET', '/credentials/main')).toMatchObject({ status: 404 })
  })

  it('go over to another key, one that was replaced lately too, and tell which can’t', async () => {
    await stored('main')
    await stored('lost')
    await call('POST', '/targets', target)
    await call('POST', '/credentials/main/rotate', { value: 'sk-second' }, { CREDENTIAL_KEY: KEY })
    await env.DB.prepare(`UPDATE credential_values SET sealed = replace(sealed, 'v1.', 'v1.x') WHERE id = 'lost'`).run()
    const keys = { CREDENTIAL_KEY: LATER_KEY, CREDENTIAL_KEY_PREVIOUS: KEY }
    const shown = async (bindings: object) => (await call('GET', '/credentials/main', undefined, bindings)).body
    expect(await shown({ CREDENTIAL_KEY: LATER_KEY })).toMatchObject({ problem: expect.stringContaining('another') })
    expect(await shown(keys)).toMatchObject({ problem: null })
    const done = await call('POST', '/credentials/reseal', undefined, keys)
    expect(done).toMatchObject({ status: 200, body: { resealed: 1, unreadable: ['lost'] } })
    expect(await call('POST', '/credentials/reseal', undefined, keys)).toMatchObject({ body: { resealed: 0 } })
    expect(await opened('main', { CREDENTIAL_KEY: LATER_KEY })).toEqual({ value: 'sk-second' })
    const former = (await snapshot())['main']?.previous?.was
    expect(former).toMatchObject({ version: 1 })
    if (former === undefined || !('sealed' in former)) throw new Error('nothing is left')
    expect(await sealedUnder({ CREDENTIAL_KEY: LATER_KEY }, former.sealed)).toBe('current')
    expect(await unseal({ CREDENTIAL_KEY: LATER_KEY }, { id: 'main', version: 1 }, former.sealed)).toMatchObject({
      ok: true,
    })
    expect((await call('POST', '/credentials/reseal', undefined, {})).status).toBe(503)
  })

  it('are tried out by a call that costs nothing, where their provider has one', async () => {
    await stored()
    expect((await call('POST', '/credentials/main/check')).body).toMatchObject({ accepted: true, status: 200 })
    expect(probed[0]).toMatchObject({ baseUrl: 'https://api.openai.com/v1', credential: 'main' })
    expect(asked).toEqual(['/models'])
    answered = { ok: false, status: 401, saw: 'wrong key' }
    expect((await call('POST', '/credentials/main/check')).body).toMatchObject({ accepted: false, saw: 'wrong key' })
    answered = { ok: false, status: 400, saw: 'API key not valid.' }
    expect((await call('POST', '/credentials/main/check')).body).toMatchObject({ accepted: false })
    answered = { ok: false, status: 503 }
    expect((await call('POST', '/credentials/main/check')).body).toMatchObject({ accepted: null })
    await stored('aws', { provider: 'bedrock' })
    expect((await call('POST', '/credentials/aws/check')).body).toMatchObject({ accepted: null, status: 0 })
    expect(asked).toHaveLength(4)
  })
})
