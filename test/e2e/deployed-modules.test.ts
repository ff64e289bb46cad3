// The gateway as it is deployed: several minified modules, of which an isolate loads most when it first needs them. Here each
// is first needed by two requests at once.
import { mkdtemp, readFile, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type BuiltModule, GATEWAY_MAIN, bundleGateway, writeGateway } from '../../src/local/bundle.ts'
import { dialects } from '../../src/dialects/index.ts'
import { withImports } from '../../src/local/weigh.ts'
import { protocols } from '../../src/protocols/index.ts'
import { type MintedKey, createRoute, createTenant } from '../support/account.ts'
import { type TestSystem, startTestSystem } from '../support/system.ts'

const WIRES = ['openai', 'anthropic', 'gemini', 'bedrock', 'ollama', 'cohere', 'inhouse', 'socket']
const SAY = [{ role: 'user', content: 'Hello?' }]

let modules: readonly BuiltModule[]
beforeAll(async () => {
  modules = await bundleGateway({ minify: true })
})

describe('the build', () => {
  test('writes the modules that run here, with a source map each', async () => {
    const folder = await mkdtemp(path.join(tmpdir(), 'tidegate-modules-'))
    try {
      await writeGateway(folder)
      const files = (await readdir(folder, { recursive: true })).map((file) => file.replaceAll(path.sep, '/'))
      expect(files.filter((file) => file.endsWith('.js')).toSorted()).toEqual(
        modules.map(({ name }) => name).toSorted(),
      )
      for (const { name, code } of modules) {
        const [written, map] = (await readFile(path.join(folder, name), 'utf8')).split('//# sourceMappingURL=')
        expect(written?.trimEnd()).toBe(code.trimEnd())
        if (name !== GATEWAY_MAIN) expect(files).toContain(path.posix.join(path.posix.dirname(name), map?.trim() ?? ''))
      }
    } finally {
      await rm(folder, { recursive: true, force: true })
    }
  })

  test('has all that is loaded late where wrangler looks for it', () => {
    const names = modules.map(({ name }) => name).filter((name) => name !== GATEWAY_MAIN)
    expect(names.filter((name) => !name.startsWith('parts/'))).toEqual([])
    expect(names).toContain('parts/durable-objects/regional-office.js')
  })

  test('starts without what is rare', () => {
    const sources = [...withImports([GATEWAY_MAIN], modules)].flatMap((module) => module.sources)
    expect(sources).toContain('src/data-plane/serve.ts')
    const rareDialects = dialects.names.filter((name) => name !== 'openai-chat' && name !== 'anthropic-messages')
    const rareProtocols = protocols.names.filter((name) => name !== 'chat')
    const rare = [
      'node_modules/zod/',
      'node_modules/@upstash/',
      'node_modules/jose/',
      'src/control-plane/',
      'src/ledger/',
      'src/catalog/',
      ...rareDialects.map((name) => `src/dialects/${name}`),
      ...rareProtocols.map((name) => `src/protocols/${name}`),
    ]
    const found = sources.filter((source) => rare.some((start) => source.startsWith(start)))
    // Half a kilobyte: the operator's default price is read with it.
    expect(found.filter((source) => source !== 'src/catalog/price-units.ts')).toEqual([])
  })
})

describe('a fresh isolate', () => {
  let system: TestSystem
  let owner: MintedKey

  beforeAll(async () => {
    system = await startTestSystem({ minify: true })
  })
  afterAll(() => system.dispose())

  const post = (pathname: string, body: object): Promise<Response> =>
    fetch(system.url + pathname, {
      method: 'POST',
      headers: { authorization: `Bearer ${owner.key}`, 'content-type': 'application/json' },
      body: JSON.stringify(body),
    })

  /** The answers to the same question asked twice at once. */
  const twice = async (ask: () => Promise<Response>): Promise<readonly unknown[]> => {
    const answers = await Promise.all([ask(), ask()])
    expect(answers.map(({ status }) => status)).toEqual([200, 200])
    return Promise.all(answers.map((answer) => answer.json()))
  }

  test('answers for the admin API', async () => {
    owner = await createTenant(system, 'harbour')
    for (const wire of WIRES) {
      await createRoute(system, `on-${wire}`, [
        { id: wire, provider: `simulated-${wire}`, model: wire === 'anthropic' ? 'sim-claude' : `sim-${wire}` },
      ])
    }
    expect(await system.admin('GET', '/admin/overview')).toMatchObject({ status: 200 })
    expect(await system.admin('GET', '/admin/nothing')).toMatchObject({ status: 404 })
  })

  test.each(WIRES)('speaks to %s, whole and streamed', async (wire) => {
    const whole = { model: `on-${wire}`, messages: SAY, max_tokens: 20 }
    for (const reply of await twice(() => post('/v1/chat/completions', whole))) {
      expect(reply).toMatchObject({ object: 'chat.completion', choices: [{ message: { role: 'assistant' } }] })
    }
    const streamed = await post('/v1/chat/completions', { ...whole, stream: true })
    expect(await streamed.text()).toMatch(/data: \[DONE\]\s*$/)
  })

  test.each([
    ['/v1/messages', { messages: SAY, max_tokens: 20 }, { type: 'message' }],
    ['/v1/responses', { input: 'Hello?' }, { object: 'response' }],
    ['/v1/completions', { prompt: 'Hello?' }, { object: 'text_completion' }],
    ['/v1/messages/count_tokens', { messages: SAY }, { input_tokens: expect.any(Number) }],
    ['/v1/embeddings', { input: 'reef' }, { object: 'list' }],
    ['/simulated-openai/chat/completions', { messages: SAY, model: 'sim-openai' }, { object: 'chat.completion' }],
  ])('answers at %s', async (pathname, body, expected) => {
    for (const reply of await twice(() => post(pathname, { model: 'on-openai', ...body }))) {
      expect(reply).toMatchObject(expected)
    }
  })

  test('lists its models, and says what is wrong in the form of whoever asks', async () => {
    const headers = { authorization: `Bearer ${owner.key}` }
    const [models] = await twice(() => fetch(`${system.url}/v1/models`, { headers }))
    expect(models).toMatchObject({ object: 'list' })
    const wrongMethod = await fetch(`${system.url}/v1/messages`, { method: 'PUT' })
    expect([wrongMethod.status, await wrongMethod.json()]).toMatchObject([405, { type: 'error' }])
    const nowhere = await fetch(`${system.url}/v1/nowhere`, { headers })
    expect([nowhere.status, await nowhere.json()]).toMatchObject([404, { error: { code: 'unknown_url' } }])
    expect(system.logs.filter(({ message }) => /not-loaded|unexpected/.test(message))).toEqual([])
  })
})
