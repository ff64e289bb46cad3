// The gateway with all that belongs to it, a process of its own: set up through its admin API as an operator would, with
// a tenant that has limits, a budget and a cache for deterministic requests; the load's are not, or hits would hide the rest.
// Arguments: the provider's origin; `alone` leaves the usage consumer out, which in production is another Worker.
import { existsSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import * as z from 'zod/mini'
import { startSystem } from '../../src/local/system.ts'
import { endWithParent, tellParent } from './job.ts'

const ADMIN_TOKEN = 'admin-token-of-the-bench'
const MEMORY_DIR = '/dev/shm'
const LIMITS = { tokens_per_minute: 1_000_000_000_000, budget: { amount_usd: '1000000', period: 'day' } }
const PRICE = { input_usd_per_million: '0.15', output_usd_per_million: '0.60' }

const [, , provider = '', mode = ''] = process.argv
// In memory where there is such a place: the disk under a Durable Object is the platform's, not the gateway's.
const stateDir = await mkdtemp(path.join(existsSync(MEMORY_DIR) ? MEMORY_DIR : tmpdir(), 'tidegate-bench-'))
const system = await startSystem({
  stateDir,
  dashboard: false,
  simulated: false,
  minify: true,
  usageConsumer: mode !== 'alone',
  secrets: { ADMIN_TOKEN, KEY_PEPPER: 'pepper-of-the-bench' },
})
endWithParent(async () => {
  await system.dispose()
  await rm(stateDir, { recursive: true, force: true })
})

async function create(what: string, body: object): Promise<unknown> {
  const response = await fetch(`${system.url}/admin/${what}`, {
    method: 'POST',
    headers: { authorization: `Bearer ${ADMIN_TOKEN}`, 'content-type': 'application/json' },
    body: JSON.stringify(body),
  })
  const text = await response.text()
  if (!response.ok) throw new Error(`POST /admin/${what}: ${response.status} ${text}`)
  return JSON.parse(text)
}

async function createModel(route: string, name: string, dialect: string): Promise<void> {
  const target = { id: `bench-${name}`, provider: name, dialect, base_url: `${provider}/v1`, model: '*' }
  await create('targets', { ...target, credential: null, price: PRICE, max_output_tokens: 1024, force: true })
  await create('routes', { model: route, targets: [target.id] })
}

await create('tenants', { name: 'bench', cache: { mode: 'deterministic', ttl_seconds: 600 }, limits: LIMITS })
await create('teams', { tenant: 'bench', name: 'bench', limits: LIMITS })
await createModel('mock*', 'openai', 'openai-chat')
await createModel('claude-mock*', 'anthropic', 'anthropic-messages')
const { key } = z
  .object({ key: z.string() })
  .parse(await create('keys', { tenant: 'bench', team: 'bench', name: 'bench' }))
tellParent({ url: system.url, headers: { authorization: `Bearer ${key}` } })
