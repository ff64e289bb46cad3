// Fills an empty local system through the gateway's own admin API, as an operator would: a tenant with a team and a
// virtual key, the simulated models, and the models of every provider whose credential is there. Everything may be
// there already; then it stays as it is.
import { Problem } from './problem.ts'
import { seedModels, type SeedModel } from './seed-models.ts'

const TENANT = 'demo'
const TEAM = 'demo'

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

/** What is under these names, one in the other; undefined where anything is missing. */
export function field(value: unknown, ...names: readonly string[]): unknown {
  let current: unknown = value
  for (const name of names) {
    if (typeof current !== 'object' || current === null) return undefined
    current = Reflect.get(current, name)
  }
  return current
}

export interface Answer {
  readonly status: number
  readonly body: unknown
}

/** `POST` to the admin API. */
export async function call(access: SeedAccess, pathname: string, body: unknown): Promise<Answer> {
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
  const problem = objection(await call(access, pathname, body))
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
  const answer = await call(access, '/admin/keys', {
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
  const target = objection(await call(access, '/admin/targets', model.target))
  if (target !== undefined) return target
  return objection(await call(access, '/admin/routes', { model: model.route, targets: [model.target.id] }))
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
  for (const model of seedModels(variables)) {
    const problem = await ensureModel(access, model)
    if (problem === undefined) models.push(model.route)
    else warnings.push(`${model.route} is not available: ${problem.split('\n')[0]}`)
  }
  const isRemembered = rememberedKey !== undefined && (await isWorking(access, rememberedKey))
  return { key: isRemembered ? rememberedKey : await mintKey(access), models, warnings }
}
