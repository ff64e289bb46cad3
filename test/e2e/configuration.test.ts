// The configuration as code, from the command line to a running gateway under traffic: what is planned, applied and gone back to
// fails no request, what is wrong never becomes active, and a revision that makes errors is taken back by itself.
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest'
import * as z from 'zod/mini'
import { main } from '../../src/local/cli/main.ts'
import { ask, createTenant, eventually, says } from '../support/account.ts'
import { type RawProvider, startRawProvider } from '../support/raw-provider.ts'
import { whole } from '../support/scripted-provider.ts'
import { TEST_ADMIN_TOKEN, type TestSystem, startTestSystem } from '../support/system.ts'

let system: TestSystem
let key: string
let steady: RawProvider
let shaky: RawProvider
let folder: string
let isShaking = false

beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'tidegate-cli-'))
  system = await startTestSystem()
  key = (await createTenant(system, 'acme')).key
  const answer = (isOk: () => boolean) =>
    startRawProvider((response) => {
      const body = isOk() ? whole('Fine.', 'stop') : { error: { message: 'no', type: 'server_error' } }
      response.writeHead(isOk() ? 200 : 500, { 'content-type': 'application/json' }).end(JSON.stringify(body))
    })
  steady = await answer(() => true)
  shaky = await answer(() => !isShaking)
})
afterAll(async () => {
  await Promise.all([system.dispose(), steady.close(), shaky.close(), rm(folder, { recursive: true, force: true })])
})

const TOLD = z.object({
  ok: z.boolean(),
  revision: z.optional(z.number()),
  changes: z.optional(z.array(z.object({ action: z.string(), name: z.string() }))),
  problems: z.optional(z.array(z.looseObject({ line: z.number(), column: z.number(), code: z.string() }))),
  rows: z.optional(z.array(z.looseObject({ revision: z.number() }))),
})

/** One command, told for machines: its exit code and what it said. */
async function tidegate(...args: readonly string[]) {
  const told: string[] = []
  const env = { TIDEGATE_URL: system.url, TIDEGATE_TOKEN: TEST_ADMIN_TOKEN }
  const code = await main([...args, '--json'], env, (text) => told.push(text))
  return { code, ...TOLD.parse(JSON.parse(told.join(''))) }
}

async function file(text: string): Promise<string> {
  const name = path.join(folder, 'tidegate.yaml')
  await writeFile(name, text)
  return name
}

const target = (id: string, url: string, more = ''): string =>
  `  - { id: ${id}, provider: custom, model: m, base_url: "${url}", auth: none, max_retries: 0${more} }\n`
const first = (): string => `targets:\n${target('steady', steady.url)}routes:\n  - { model: chat, targets: [steady] }\n`
const second = (): string =>
  `targets:\n${target('steady', steady.url)}${target('shaky', shaky.url)}routes:\n  - { model: chat, targets: [shaky, steady] }\n`

test('under traffic: planned, applied, gone back to, and taken back by itself, without a request that fails', async () => {
  expect(await tidegate('plan', await file(first()))).toMatchObject({
    code: 2,
    changes: [{ name: 'steady' }, { name: 'chat' }],
  })
  const made = await tidegate('apply', await file(first()))
  expect(made).toMatchObject({ code: 0, ok: true })
  expect(await tidegate('plan', await file(first()))).toMatchObject({ code: 0, changes: [] })

  const statuses: number[] = []
  const over = new AbortController()
  const client = async (): Promise<void> => {
    while (!over.signal.aborted) {
      const answer = await ask(system, key, { model: 'chat', messages: says('Hello'), max_tokens: 16 })
      await answer.arrayBuffer()
      statuses.push(answer.status)
    }
  }
  const traffic = Promise.all([client(), client()])
  onTestFinished(async () => {
    over.abort()
    await traffic
  })

  // Unreachable, and wrong in a field: neither becomes active.
  const unreachable = await file(second().replace(shaky.url, 'http://127.0.0.1:9/v1'))
  expect(await tidegate('apply', unreachable)).toMatchObject({
    code: 1,
    problems: [{ code: 'probe_failed', line: 3, column: 46 }],
  })
  const wrong = await file(second().replace('max_retries: 0', 'max_retries: -1'))
  expect(await tidegate('apply', wrong)).toMatchObject({ code: 1, problems: [{ code: 'invalid_field', line: 2 }] })
  const late = await tidegate('apply', await file(second()), '--expect', String((made.revision ?? 1) - 1))
  expect(late.code).toBe(1)
  expect(await tidegate('revisions')).toMatchObject({ revision: made.revision })

  const changed = await tidegate('apply', await file(second()))
  expect(changed).toMatchObject({ code: 0, changes: [{ name: 'shaky' }, { name: 'chat' }] })
  await eventually(
    () => shaky.calls,
    (calls) => calls > 5,
    20_000,
  )
  expect(await tidegate('rollback', String(made.revision), '--dry-run')).toMatchObject({ code: 2 })
  expect(await tidegate('rollback', String(made.revision))).toMatchObject({
    code: 0,
    revision: (changed.revision ?? 0) + 1,
  })
  expect(await tidegate('plan', await file(first()), '--prune')).toMatchObject({ code: 0, changes: [] })

  // It answers when it is probed, and fails as soon as it is used: whoever asks is served by the other.
  const watched = await tidegate('apply', await file(second()), '--watch', '10m', '--min-requests', '5')
  expect(watched.code).toBe(0)
  isShaking = true
  const watchOf = async () =>
    (await tidegate('revisions')).rows?.find(({ revision }) => revision === watched.revision)?.watch
  expect(await eventually(watchOf, (watch) => JSON.stringify(watch).includes('rolled-back'), 30_000)).toMatchObject({
    state: 'rolled-back',
  })
  expect(await tidegate('plan', await file(first()), '--prune')).toMatchObject({ code: 0, changes: [] })
  over.abort()
  await traffic
  expect(statuses.length).toBeGreaterThan(0)
  expect(statuses.filter((status) => status !== 200)).toEqual([])
  const alerts = await system.admin('GET', '/admin/alerts?kind=rolled-back')
  expect(alerts.body).toMatchObject({ rows: [{ kind: 'rolled-back' }] })
})
