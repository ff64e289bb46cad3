// Two tenants behind one account with a provider: one owns it, the other runs models on it. What official clients see of that, and
// what is spent when the provider takes no notice of bounds.
import { ApiError, GoogleGenAI } from '@google/genai'
import OpenAI, { PermissionDeniedError, toFile } from 'openai'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { isJsonObject, parseJson } from '../../src/core/json.ts'
import {
  type MintedKey,
  createRoute,
  createTenant,
  eventually,
  latestAttempts,
  mintKey,
  says,
} from '../support/account.ts'
import {
  type RawAnswer,
  type RawProvider,
  contentEvent,
  endEvents,
  sent,
  startRawProvider,
} from '../support/raw-provider.ts'
import { type TestSystem, startTestSystem } from '../support/system.ts'

const MODEL = 'tide-1'
const GEMINI = 'tide-gemini'
/** $1 and $2 a million: 1,000 and 2,000 nano-USD a token. */
const PRICE = { input_usd_per_million: '1', output_usd_per_million: '2' }
const BOUND = 200
/** What the provider writes, whatever bound it is given. Tokens of four characters. */
const WRITTEN = 10_000
/** What it says to those who ask for an honest word. Tokens. */
const HONEST = 100
/** What it writes to a stream at a time. Tokens. */
const PIECE = 25

let system: TestSystem
let provider: RawProvider
let owner: MintedKey
let guest: MintedKey
let asked: { readonly method: string; readonly path: string; readonly body: string }[] = []
/** The provider writes as fast as the client reads, so that no more is under way than one piece. */
let wasRead: (value: null) => void = () => undefined
const files = new Map([['file-of-the-owner', 'secret']])

beforeAll(async () => {
  system = await startTestSystem()
  provider = await startRawProvider(account)
  owner = await createTenant(system, 'owner', { pass_through: 'all' })
  guest = await createTenant(system, 'guest')
  const settings = { credential: 'SIMULATED_API_KEY', max_retries: 0, price: PRICE, max_output_tokens: BOUND }
  const origin = `http://127.0.0.1:${provider.port}`
  await createRoute(system, MODEL, [
    { id: 'account', provider: 'openai', model: MODEL, base_url: `${origin}/v1`, ...settings },
  ])
  await createRoute(system, GEMINI, [
    { id: 'google', provider: 'gemini', model: GEMINI, base_url: `${origin}/v1beta`, ...settings },
  ])
  asked = []
})
afterAll(async () => {
  await system.dispose()
  await provider.close()
})

/** An account: files that anybody may touch who has its credential, and models that write as much as they like. */
const account: RawAnswer = async (response, body, { method = '', url = '', headers }) => {
  asked.push({ method, path: url, body })
  const json = (value: object, status = 200): void => {
    response.writeHead(status, { 'content-type': 'application/json', etag: '"1"' }).end(JSON.stringify(value))
  }
  const [, version = '', kind = '', id = ''] = url.split(/[/?]/)
  if (url.includes(':generateContent')) return json(geminiReply())
  if (kind === 'chat')
    return isStreamed(body) ? writeStream(response) : json(chatReply(body.includes('honest') ? HONEST : WRITTEN))
  if (kind === 'embeddings') {
    const data = [{ object: 'embedding', index: 0, embedding: [0.5] }]
    return json({ object: 'list', data, model: MODEL, usage: { prompt_tokens: 7, total_tokens: 7 } })
  }
  if (kind !== 'files' && kind !== 'cachedContents') return json({ error: { message: `No ${kind}.` } }, 404)
  if (headers['if-none-match'] === '"1"') return void response.writeHead(304, { etag: '"1"' }).end()
  if (id === 'moved') return void response.writeHead(307, { location: `/${version}/files/file-of-the-owner` }).end()
  if (method === 'DELETE') return json({ id, object: 'file', deleted: files.delete(id) })
  if (method === 'POST') {
    files.set('file-made', body)
    return json({ id: 'file-made', object: 'file' })
  }
  const data = [...files.keys()].map((name) => ({ id: name, object: 'file', name: `files/${name}` }))
  const one = data.find((file) => file.id === id)
  if (id === '') return json({ object: 'list', data, has_more: false, files: data, cachedContents: data })
  return one === undefined ? json({ error: { message: 'No such file.' } }, 404) : json(one)
}

function isStreamed(body: string): boolean {
  const json = parseJson(body)
  return isJsonObject(json) && json['stream'] === true
}

function chatReply(tokens: number): object {
  const message = { role: 'assistant', content: 'tide'.repeat(tokens) }
  const usage = { prompt_tokens: 5, completion_tokens: tokens, total_tokens: tokens + 5 }
  const choices = [{ index: 0, message, finish_reason: 'stop' }]
  return { id: 'c', object: 'chat.completion', created: 1, model: MODEL, choices, usage }
}

function geminiReply(): object {
  const candidates = [{ content: { role: 'model', parts: [{ text: 'High at noon.' }] }, finishReason: 'STOP' }]
  return { candidates, usageMetadata: { promptTokenCount: 5, candidatesTokenCount: 4, totalTokenCount: 9 } }
}

async function writeStream(response: Parameters<RawAnswer>[0]): Promise<void> {
  response.writeHead(200, { 'content-type': 'text/event-stream' })
  for (let tokens = 0; tokens < WRITTEN && !response.destroyed; tokens += PIECE) {
    const isRead = new Promise((resolve) => {
      wasRead = resolve
      response.once('close', resolve)
    })
    await sent(response, contentEvent('tide'.repeat(PIECE)))
    await isRead
  }
  response.end(endEvents(5, WRITTEN))
}

function openai({ key }: MintedKey): OpenAI {
  return new OpenAI({ apiKey: key, baseURL: `${system.url}/openai/v1`, maxRetries: 0, logLevel: 'off' })
}

function google({ key }: MintedKey): GoogleGenAI {
  const httpOptions = { baseUrl: `${system.url}/gemini`, retryOptions: { attempts: 1 } }
  return new GoogleGenAI({ apiKey: key, httpOptions })
}

async function thrownBy(work: () => Promise<unknown>): Promise<unknown> {
  return work().then(
    () => null,
    (error: unknown) => error,
  )
}

describe('what one tenant keeps at the provider', () => {
  test("is there for its owner's OpenAI client, and for no other tenant's", async () => {
    const own = openai(owner)
    const made = await own.files.create({ file: await toFile(Buffer.from('{}'), 'a.jsonl'), purpose: 'batch' })
    expect(made.id).toBe('file-made')
    const listed = await own.files.list()
    expect(listed.data.map(({ id }) => id)).toEqual(['file-of-the-owner', 'file-made'])
    asked = []
    const other = openai(guest)
    const attempts = [
      () => other.files.list(),
      () => other.files.retrieve('file-of-the-owner'),
      () => other.files.content('file-of-the-owner'),
      () => other.files.delete('file-of-the-owner'),
      async () => other.files.create({ file: await toFile(Buffer.from('x'), 'x'), purpose: 'batch' }),
      () => other.batches.list(),
      () => other.batches.create({ input_file_id: 'f', endpoint: '/v1/responses', completion_window: '24h' }),
      () => other.fineTuning.jobs.list(),
      () => other.models.list(),
      () => other.models.delete('ft:tide-1'),
      () => other.vectorStores.list(),
      () => other.responses.retrieve('resp_of_the_owner'),
    ]
    for (const attempt of attempts) {
      const error = await thrownBy(attempt)
      if (!(error instanceof PermissionDeniedError)) throw new Error(`expected a refusal, got ${String(error)}`)
      expect(error).toMatchObject({ status: 403, code: 'not_passed_through' })
      expect(error.message).toContain('`pass_through`')
    }
    expect(asked).toEqual([])
    expect(files.has('file-of-the-owner')).toBe(true)
    expect(await own.files.delete('file-made')).toMatchObject({ deleted: true })
  })

  test("is there for its owner's Google client, and for no other tenant's", async () => {
    const own = await google(owner).files.list()
    expect(own.page.map(({ name }) => name)).toEqual(['files/file-of-the-owner'])
    asked = []
    const other = google(guest)
    const attempts = [
      () => other.files.list(),
      () => other.files.get({ name: 'files/file-of-the-owner' }),
      () => other.files.delete({ name: 'files/file-of-the-owner' }),
      () => other.caches.list(),
      () => other.caches.create({ model: GEMINI, config: { contents: 'x' } }),
      () => other.models.list(),
      () => other.batches.list(),
      () =>
        other.models.generateContent({ model: GEMINI, contents: 'x', config: { cachedContent: 'cachedContents/c' } }),
    ]
    for (const attempt of attempts) {
      const error = await thrownBy(attempt)
      if (!(error instanceof ApiError)) throw new Error(`expected a refusal, got ${String(error)}`)
      expect(error.status).toBe(403)
      expect(error.message).toContain('PERMISSION_DENIED')
      expect(error.message).toContain('pass_through')
    }
    expect(asked).toEqual([])
    expect((await other.models.generateContent({ model: GEMINI, contents: 'Tide?' })).text).toBe('High at noon.')
  })

  test('is what the setting says, of the tenant and of its key', async () => {
    const statusOf = async (work: () => Promise<unknown>): Promise<number> => {
      const error = await thrownBy(work)
      return error instanceof OpenAI.APIError ? (error.status ?? 0) : error === null ? 200 : 0
    }
    const list = (key: MintedKey) => statusOf(() => openai(key).files.list())
    const run = (key: MintedKey) => statusOf(() => openai(key).embeddings.create({ model: MODEL, input: 'x' }))
    const tenant = await createTenant(system, 'settling')
    const narrow = await mintKey(system, 'settling', 'narrow', { pass_through: 'off' })
    expect([await list(tenant), await run(tenant), await run(narrow)]).toEqual([403, 200, 403])
    await system.admin('PATCH', `/admin/tenants/${tenant.tenantId}`, { pass_through: 'all' })
    expect([await list(tenant), await run(narrow)]).toEqual([200, 403])
    await system.admin('PATCH', `/admin/keys/${narrow.id}`, { pass_through: 'models' })
    expect([await list(narrow), await run(narrow)]).toEqual([403, 200])
    await system.admin('PATCH', `/admin/tenants/${tenant.tenantId}`, { pass_through: 'off' })
    expect([await run(tenant), await run(narrow)]).toEqual([403, 403])
  })
})

describe('a budget', () => {
  /** Enough for a few bounded replies, and nowhere near what the provider writes. */
  const BUDGET_NANO = 2_000_000

  async function limitedTenant(name: string): Promise<MintedKey> {
    return createTenant(system, name, { limits: { budget: { amount_usd: '0.002', period: 'month' } } })
  }

  async function spentBy(key: MintedKey, attempts: number): Promise<number> {
    const rows = await eventually(
      async () => (await latestAttempts(system)).filter((row) => row.tenant === key.tenantId),
      (found) => found.length >= attempts,
    )
    return rows.reduce((sum, row) => sum + Number(row.cost_nano_usd), 0)
  }

  test('is kept by streams whose provider takes no notice of their bound', async () => {
    const key = await limitedTenant('streaming')
    // How long the model's tokens are is learned from what is reported.
    await openai(owner).chat.completions.create({ model: MODEL, messages: says('An honest word?') })
    asked = []
    let broken = 0
    let refused = 0
    for (let turn = 0; turn < 6; turn += 1) {
      const error = await thrownBy(async () => {
        const stream = await openai(key).chat.completions.create({
          model: MODEL,
          messages: says('Tide?'),
          stream: true,
        })
        for await (const chunk of stream) {
          expect(chunk.choices.length).toBe(1)
          wasRead(null)
        }
      })
      if (error instanceof OpenAI.APIError && error.status === 402) refused += 1
      else broken += 1
    }
    expect(broken).toBeGreaterThan(0)
    expect(refused).toBeGreaterThan(0)
    for (const { body } of asked) expect(parseJson(body)).toMatchObject({ max_completion_tokens: BOUND })
    const spent = await spentBy(key, broken)
    expect(spent).toBeGreaterThan(BUDGET_NANO / 4)
    // What was seen is counted by its characters: a quarter more is put down to the text, and one piece was under way.
    expect(spent).toBeLessThanOrEqual(BUDGET_NANO * 1.25 + PIECE * 2_000)
  })

  test('lets no further reply begin after one that overran it', async () => {
    const key = await limitedTenant('overrun')
    const ask = () => openai(key).chat.completions.create({ model: MODEL, messages: says('Tide?'), max_tokens: 50 })
    asked = []
    expect((await ask()).usage?.completion_tokens).toBe(WRITTEN)
    expect(await thrownBy(ask)).toMatchObject({ status: 402, code: 'budget_exceeded' })
    expect(asked.length).toBe(1)
    expect(await spentBy(key, 1)).toBe(5 * 1_000 + WRITTEN * 2_000)
  })

  test('does not begin what it has not enough for at the most', async () => {
    const key = await limitedTenant('large')
    asked = []
    const ask = { model: MODEL, messages: says('Tide?'), max_tokens: 2_000 }
    expect(await thrownBy(() => openai(key).chat.completions.create(ask))).toMatchObject({ status: 402 })
    expect(asked).toEqual([])
  })

  test('is charged for vectors with what the reply says', async () => {
    const key = await limitedTenant('vectors')
    await openai(key).embeddings.create({ model: MODEL, input: 'x'.repeat(500) })
    expect(await spentBy(key, 1)).toBe(7_000)
  })
})

describe('an answer that is no reply', () => {
  test('reaches the client, and speaks against no target', async () => {
    const get = (path: string, headers: Record<string, string> = {}): Promise<Response> =>
      fetch(`${system.url}/openai/v1${path}`, {
        headers: { authorization: `Bearer ${owner.key}`, ...headers },
        redirect: 'manual',
      })
    for (let turn = 0; turn < 15; turn += 1) {
      const unchanged = await get('/files/file-of-the-owner', { 'if-none-match': '"1"' })
      expect([unchanged.status, unchanged.headers.get('etag'), await unchanged.text()]).toEqual([304, '"1"', ''])
      const missing = await get('/files/nothing')
      expect([missing.status, await missing.json()]).toEqual([404, { error: { message: 'No such file.' } }])
    }
    const moved = await get('/files/moved')
    expect([moved.status, moved.headers.get('location')]).toEqual([307, '/openai/v1/files/file-of-the-owner'])
    const followed = await fetch(`${system.url}/openai/v1/files/moved`, {
      headers: { authorization: `Bearer ${owner.key}` },
    })
    expect([followed.status, await followed.json()]).toMatchObject([200, { id: 'file-of-the-owner' }])
  })
})
