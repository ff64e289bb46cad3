// Fills an empty local system through the gateway's own admin API, as an operator would: a tenant with a team and a
// virtual key, the simulated models, and the models of every provider whose credential is there. Everything may be
// there already; then it stays as it is.
import { Problem } from './problem.ts'

const TENANT = 'demo'
const TEAM = 'demo'

interface SeedTarget {
  readonly id: string
  readonly provider: string
  readonly dialect?: string
  readonly base_url?: string
  readonly model: string
  readonly credential?: string
}

interface SeedModel {
  /** What the client writes, exact or `prefix*`. */
  readonly route: string
  readonly target: SeedTarget
}

function simulated(route: string, provider: string, model: string): SeedModel {
  const dialect = provider === 'openai' ? 'openai-chat' : 'anthropic-messages'
  const id = model === '*' ? `${route.slice(0, -1)}-any` : model
  return {
    route,
    target: { id, provider: 'simulated', dialect, base_url: `service://SIMULATED/${provider}/v1`, model },
  }
}

const SIMULATED_MODELS: readonly SeedModel[] = [
  simulated('sim-gpt-4o', 'openai', 'sim-gpt-4o'),
  simulated('sim-claude', 'anthropic', 'sim-claude'),
  simulated('sim-gpt*', 'openai', '*'),
  simulated('sim-claude*', 'anthropic', '*'),
]

/** Models that a credential in `.dev.vars` switches on. Add any other through the admin API. */
const PROVIDER_MODELS: Readonly<Record<string, { readonly provider: string; readonly models: readonly string[] }>> = {
  OPENAI_API_KEY: { provider: 'openai', models: ['gpt-4o', 'gpt-4o-mini', 'gpt-4.1', 'gpt-4.1-mini'] },
  ANTHROPIC_API_KEY: { provider: 'anthropic', models: ['claude-sonnet-4-5', 'claude-haiku-4-5'] },
  GEMINI_API_KEY: { provider: 'gemini', models: ['gemini-2.5-pro', 'gemini-2.5-flash'] },
}

/** How the seed reaches the gateway. */
export interface SeedAccess {
  /** The gateway's origin, without a trailing slash. */
  readonly url: string
  readonly adminToken: string
}

export interface SeedOutcome {
  /** The virtual key: the given one if it still works, else a new one. */
  readonly key: string
  /** Requested models that are ready. */
  readonly models: readonly string[]
  /** One line for each model that could not be set up. */
  readonly warnings: readonly string[]
}

function field(value: unknown, ...names: readonly string[]): unknown {
  let current: unknown = value
  for (const name of names) {
    if (typeof current !== 'object' || current === null) return undefined
    current = Reflect.get(current, name)
  }
  return current
}

interface Answer {
  readonly status: number
  readonly body: unknown
}

async function post(access: SeedAccess, pathname: string, body: unknown): Promise<Answer> {
  const response = await fetch(access.url + pathname, {
    method: 'POST',
    headers: { authorization: `Bearer ${access.adminToken}`, 'content-type': 'application/json' },
    body: JSON.stringify(body),
  })
  const text = await response.text()
  try {
    return { status: response.status, body: JSON.parse(text) }
  } catch {
    return { status: response.status, body: text }
  }
}

/** Nothing if the thing was made or is there already; else what the admin API said about it. */
function objection(answer: Answer): string | undefined {
  if (answer.status < 300 || (answer.status === 409 && field(answer.body, 'error', 'code') === 'exists'))
    return undefined
  const message = field(answer.body, 'error', 'message')
  return typeof message === 'string' ? message : `status ${answer.status}`
}

async function ensure(access: SeedAccess, pathname: string, body: unknown): Promise<void> {
  const problem = objection(await post(access, pathname, body))
  if (problem !== undefined) {
    throw new Problem(`The local state refuses its demo data (${problem}). Move the state folder away and start again.`)
  }
}

async function isWorking(access: SeedAccess, key: string): Promise<boolean> {
  const response = await fetch(`${access.url}/v1/models`, { headers: { authorization: `Bearer ${key}` } })
  await response.body?.cancel()
  return response.ok
}

async function mintKey(access: SeedAccess): Promise<string> {
  const answer = await post(access, '/admin/keys', {
    tenant: TENANT,
    team: TEAM,
    name: `demo ${new Date().toISOString()}`,
  })
  const key = field(answer.body, 'key')
  if (typeof key !== 'string')
    throw new Problem(`No virtual key could be made: ${objection(answer) ?? 'no key in the answer'}`)
  return key
}

/** Sets one model up; the reason if that was refused, as when a provider does not accept the credential. */
async function ensureModel(access: SeedAccess, model: SeedModel): Promise<string | undefined> {
  const target = objection(await post(access, '/admin/targets', model.target))
  if (target !== undefined) return target
  return objection(await post(access, '/admin/routes', { model: model.route, targets: [model.target.id] }))
}

function modelsFor(variables: Readonly<Record<string, string>>): SeedModel[] {
  const real = Object.entries(PROVIDER_MODELS).filter(([credential]) => (variables[credential] ?? '') !== '')
  return [
    ...SIMULATED_MODELS,
    ...real.flatMap(([credential, { provider, models }]) =>
      models.map((model) => ({ route: model, target: { id: model, provider, model, credential } })),
    ),
  ]
}

/**
 * Brings a system to the state that `npm start` promises; repeating it changes nothing. `variables` tells which
 * credentials there are. A provider's refusal is a warning; a refusal of the demo data is a Problem.
 */
export async function seed(
  access: SeedAccess,
  variables: Readonly<Record<string, string>>,
  rememberedKey: string | undefined,
): Promise<SeedOutcome> {
  await ensure(access, '/admin/tenants', { name: TENANT, cache: { mode: 'all', ttl_seconds: 3600 } })
  await ensure(access, '/admin/teams', { tenant: TENANT, name: TEAM })
  const models: string[] = []
  const warnings: string[] = []
  for (const model of modelsFor(variables)) {
    const problem = await ensureModel(access, model)
    if (problem === undefined) models.push(model.route)
    else warnings.push(`${model.route} is not available: ${problem.split('\n')[0]}`)
  }
  const isRemembered = rememberedKey !== undefined && (await isWorking(access, rememberedKey))
  return { key: isRemembered ? rememberedKey : await mintKey(access), models, warnings }
}
