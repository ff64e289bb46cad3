// A Portkey config as a document of ours: one route, whose group is the config's tree. Fields as its own schema has them
// (https://github.com/Portkey-AI/gateway, src/middlewares/requestValidator/schema/config.ts), read on 2026-11-21.
import { PORTKEY_PROVIDERS } from './foreign-providers.ts'
import { type Fields, Fates, type Imported, isFields, notEmpty, secretFor, slugOf, uniqueIn } from './importing.ts'
import { conditionOf } from './portkey-conditions.ts'

const TENANT = 'portkey'
/** Groups within groups, the route's own with them. */
const DEPTH_MAX = 3

/** What holds for everything below, unless it says otherwise itself. */
interface Inherited {
  readonly retries: number | null
  readonly timeoutMs: number | null
  readonly override: Fields
}

interface Reading {
  readonly fates: Fates
  readonly targets: Fields[]
  readonly ids: Set<string>
}

type Member = string | { readonly group: Group }
interface Group {
  readonly strategy: string
  readonly members: readonly unknown[]
}

/** Reads a config. `model`: what clients ask for; else the model that the config puts in its place, or any. */
export function importPortkey(source: unknown, model?: string): Imported {
  const fates = new Fates(source)
  const reading: Reading = { fates, targets: [], ids: new Set() }
  const root = isFields(source) ? source : {}
  const inherited = inherit(root, '', { retries: null, timeoutMs: null, override: {} }, fates)
  const rules = isConditional(root) ? readConditions(root, inherited, reading) : null
  const member = rules === null ? readMember(root, '', inherited, reading, 1) : rules.fallback
  const tenants = readCache(root, fates)
  const models = new Set(reading.targets.map((target) => target.model))
  const [only] = models
  const asked = model ?? (models.size === 1 && typeof only === 'string' ? only : '*')
  const routes =
    member === null
      ? []
      : [
          {
            model: asked,
            ...(typeof member === 'string' ? { targets: [member] } : { group: member.group }),
            ...(rules === null || rules.rules.length === 0 ? {} : { rules: rules.rules }),
          },
        ]
  const document = {
    ...notEmpty('tenants', tenants),
    ...notEmpty('targets', reading.targets),
    ...notEmpty('routes', routes),
  }
  return { document, report: fates.report() }
}

function isConditional(fields: Fields): boolean {
  return isFields(fields.strategy) && fields.strategy.mode === 'conditional'
}

function below(path: string, name: string): string {
  return path === '' ? name : `${path}.${name}`
}

/** What a level says for those below it. */
function inherit(fields: Fields, path: string, above: Inherited, fates: Fates): Inherited {
  const retry = isFields(fields.retry) ? fields.retry : {}
  const { attempts } = retry
  if (typeof attempts === 'number') {
    const from = below(path, 'retry.attempts')
    if (attempts > 5) fates.changed(from, 'targets.max_retries', 'five is the most')
    else fates.carried(from, 'targets.max_retries')
  }
  if (retry.on_status_codes !== undefined) {
    fates.dropped(below(path, 'retry.on_status_codes'), 'what is tried again follows from the failure')
  }
  if (retry.use_retry_after_header !== undefined) {
    fates.dropped(below(path, 'retry.use_retry_after_header'), 'a provider is always left alone for as long as it asks')
  }
  const { request_timeout: timeout } = fields
  if (typeof timeout === 'number') fates.carried(below(path, 'request_timeout'), 'targets.timeouts')
  const override = isFields(fields.override_params) ? fields.override_params : {}
  for (const name of Object.keys(override)) {
    const from = below(path, `override_params.${name}`)
    if (name === 'model') fates.carried(from, 'targets.model')
    else if (name === 'max_tokens')
      fates.changed(from, 'targets.max_output_tokens', 'it bounds replies where the client gives no bound')
    else fates.dropped(from, 'parameters of requests belong to the client, or to a preset')
  }
  return {
    retries: typeof attempts === 'number' ? Math.min(attempts, 5) : above.retries,
    timeoutMs: typeof timeout === 'number' ? timeout : above.timeoutMs,
    override: { ...above.override, ...override },
  }
}

/** A target, or a group of them; null where nothing of it can be called. */
function readMember(
  fields: Fields,
  path: string,
  inherited: Inherited,
  reading: Reading,
  depth: number,
): Member | null {
  if (!Array.isArray(fields.targets)) return readTarget(fields, path, inherited, reading)
  const strategy = isFields(fields.strategy) ? fields.strategy : {}
  const { mode = 'single' } = strategy
  const { fates } = reading
  const at = below(path, 'strategy')
  if (strategy.on_status_codes !== undefined) {
    fates.dropped(`${at}.on_status_codes`, 'whether another target is tried follows from the failure')
  }
  if (depth > DEPTH_MAX) {
    fates.dropped(below(path, 'targets'), `groups nest ${DEPTH_MAX} deep`)
    return null
  }
  if (mode === 'conditional')
    fates.dropped(at, 'conditions stand at the top: the first target that can be called is tried first')
  else if (mode === 'single') fates.changed(`${at}.mode`, 'routes.group', 'the first of the targets')
  else fates.carried(`${at}.mode`, 'routes.group.strategy')
  const all = fields.targets.slice(0, mode === 'single' ? 1 : undefined)
  if (all.length < fields.targets.length) {
    for (let index = all.length; index < fields.targets.length; index++) {
      fates.dropped(`${below(path, 'targets')}[${index}]`, 'with mode single only the first counts')
    }
  }
  const members = all.flatMap((one: unknown, index) => {
    const place = `${below(path, 'targets')}[${index}]`
    const target = isFields(one) ? one : {}
    const member = readMember(target, place, inherit(target, place, inherited, fates), reading, depth + 1)
    return member === null ? [] : [weighed(member, target, place, { mode, fates })]
  })
  const [only] = members
  if (members.length === 0) return null
  if (members.length === 1 && typeof only === 'string') return only
  return { group: { strategy: mode === 'loadbalance' ? 'weighted' : 'priority', members } }
}

function weighed(
  member: Member,
  target: Fields,
  path: string,
  { mode, fates }: { readonly mode: unknown; readonly fates: Fates },
): unknown {
  const { weight } = target
  if (weight === undefined) return member
  const from = below(path, 'weight')
  if (mode !== 'loadbalance' || typeof weight !== 'number') {
    fates.dropped(from, 'weights mean something with loadbalance only')
    return member
  }
  fates.carried(from, 'routes.group.members.weight')
  return typeof member === 'string' ? { target: member, weight } : { ...member, weight }
}

interface Conditions {
  readonly rules: readonly Fields[]
  readonly fallback: Member | null
}

function readConditions(root: Fields, inherited: Inherited, reading: Reading): Conditions {
  const { fates } = reading
  const strategy = isFields(root.strategy) ? root.strategy : {}
  fates.changed('strategy.mode', 'routes.rules', 'conditions are rules of the route, the default is its group')
  const named = new Map<string, Member>()
  const all: readonly unknown[] = Array.isArray(root.targets) ? root.targets : []
  for (const [index, one] of all.entries()) {
    const path = `targets[${index}]`
    const target = isFields(one) ? one : {}
    const member = readMember(target, path, inherit(target, path, inherited, fates), reading, 2)
    if (typeof target.name === 'string' && member !== null) {
      fates.carried(`${path}.name`, 'routes.rules')
      named.set(target.name, member)
    }
  }
  const written: readonly unknown[] = Array.isArray(strategy.conditions) ? strategy.conditions : []
  const rules = written.flatMap((one, index): readonly Fields[] => {
    const from = `strategy.conditions[${index}]`
    const { query, then } = isFields(one) ? one : {}
    const condition = conditionOf(query)
    const member = named.get(String(then))
    if (!condition.ok || member === undefined) {
      fates.dropped(from, condition.ok ? 'there is no target of that name' : condition.error)
      return []
    }
    fates.carried(from, `routes.rules.${String(then)}`)
    return [
      { name: `${index + 1}: ${String(then)}`.slice(0, 100), when: condition.value, do: { use: groupOf(member) } },
    ]
  })
  const usual = typeof strategy.default === 'string' ? named.get(strategy.default) : undefined
  if (usual !== undefined) fates.carried('strategy.default', 'routes.group')
  const [first] = named.values()
  return { rules, fallback: usual ?? first ?? null }
}

function groupOf(member: Member): Group {
  return typeof member === 'string' ? { strategy: 'priority', members: [member] } : member.group
}

function readTarget(
  fields: Fields,
  path: string,
  inherited: Inherited,
  { fates, targets, ids }: Reading,
): string | null {
  const called = readProvider(fields, path, fates)
  if (called === null) return null
  const { model = called.model ?? '*', max_tokens: bound } = inherited.override
  const id = uniqueIn(
    ids,
    slugOf(
      typeof fields.name === 'string' ? fields.name : `${called.provider}-${model === '*' ? 'any' : String(model)}`,
    ),
  )
  if (typeof fields.name === 'string') fates.carried(below(path, 'name'), `targets.${id}.id`)
  const { timeoutMs } = inherited
  targets.push({
    id,
    provider: called.provider,
    model,
    ...called.more,
    ...(inherited.retries === null ? {} : { max_retries: inherited.retries }),
    ...(timeoutMs === null
      ? {}
      : {
          timeouts: {
            first_content_ms: Math.min(timeoutMs, 120_000),
            idle_ms: Math.min(timeoutMs, 60_000),
            total_ms: timeoutMs,
          },
        }),
    ...(typeof bound === 'number' ? { max_output_tokens: bound } : {}),
  })
  return id
}

interface Called {
  readonly provider: string
  readonly model?: string
  readonly more: Fields
}

function readProvider(fields: Fields, path: string, fates: Fates): Called | null {
  const said = whose(fields, path, fates)
  if (said === null) {
    fates.dropped(path === '' ? 'provider' : path, 'nothing says which provider it is, or there is none like it here')
    return null
  }
  const { provider, model } = said
  const host = fields.custom_host
  if (typeof host === 'string') fates.carried(below(path, 'custom_host'), 'targets.base_url')
  const settings: Record<string, unknown> = {}
  for (const [name, setting] of SETTINGS) {
    if (typeof fields[name] !== 'string') continue
    settings[setting] = fields[name]
    fates.carried(below(path, name), `targets.settings.${setting}`)
  }
  const isOwnServer = provider === 'openai' && typeof host === 'string'
  const more = {
    ...(typeof host === 'string' ? { base_url: host } : {}),
    ...(Object.keys(settings).length === 0 ? {} : { settings }),
    ...readKey(fields, path, provider, fates),
  }
  return { provider: isOwnServer ? 'custom' : provider, more, ...(model === undefined ? {} : { model }) }
}

const SETTINGS = [
  ['aws_region', 'region'],
  ['vertex_project_id', 'project'],
  ['vertex_region', 'location'],
  ['azure_resource_name', 'resource'],
  ['resource_name', 'resource'],
] as const

/** The provider: by its name, by `@slug/model`, or by what a virtual key is called. */
function whose(
  fields: Fields,
  path: string,
  fates: Fates,
): { readonly provider: string; readonly model?: string } | null {
  const { provider, virtual_key: key } = fields
  if (typeof provider === 'string' && !provider.startsWith('@')) {
    const ours = PORTKEY_PROVIDERS[provider]
    if (ours === undefined) return null
    if (ours === provider) fates.carried(below(path, 'provider'), 'targets.provider')
    else fates.changed(below(path, 'provider'), 'targets.provider', `it is called ${ours} here`)
    return { provider: ours }
  }
  const field = typeof provider === 'string' ? 'provider' : 'virtual_key'
  const [slug = '', ...rest] = String(typeof provider === 'string' ? provider : (key ?? ''))
    .replace(/^@/, '')
    .split('/')
  const names = Object.keys(PORTKEY_PROVIDERS).filter((name) => slug === name || slug.startsWith(`${name}-`))
  const name = names.toSorted((a, b) => b.length - a.length)[0]
  const ours = name === undefined ? undefined : PORTKEY_PROVIDERS[name]
  if (ours === undefined) return null
  fates.changed(
    below(path, field),
    'targets.provider',
    `taken for ${ours} by its name; its key is a secret of the Worker`,
  )
  return { provider: ours, ...(rest.length === 0 ? {} : { model: rest.join('/') }) }
}

function readKey(fields: Fields, path: string, provider: string, fates: Fates): Fields {
  const named = fields.virtual_key ?? (String(fields.provider).startsWith('@') ? fields.provider : undefined)
  const given = [
    'api_key',
    'aws_access_key_id',
    'aws_secret_access_key',
    'aws_session_token',
    'vertex_service_account_json',
  ]
  const secret = typeof named === 'string' ? secretFor(named.replace(/^@/, '').split('/')[0] ?? provider) : null
  for (const name of given.filter((one) => fields[one] !== undefined)) {
    const into = secret ?? secretFor(`${provider}_API_KEY`)
    fates.secret(into)
    fates.changed(
      below(path, name),
      'targets.credential',
      `the key itself stood in the file: set it as the secret ${into}`,
    )
  }
  if (secret !== null) fates.secret(secret)
  if (typeof fields.virtual_key === 'string') {
    fates.changed(
      below(path, 'virtual_key'),
      'targets.credential',
      `it is the secret ${secret ?? ''} of the Worker here`,
    )
  }
  const hasOwn = given.some((one) => fields[one] !== undefined)
  return secret === null && !hasOwn ? {} : { credential: secret ?? secretFor(`${provider}_API_KEY`) }
}

function readCache(root: Fields, fates: Fates): readonly Fields[] {
  if (!isFields(root.cache)) return []
  const { mode, max_age: age } = root.cache
  if (mode === 'semantic')
    fates.changed('cache.mode', `tenants.${TENANT}.cache`, 'only the same question gets the same answer')
  else fates.changed('cache.mode', `tenants.${TENANT}.cache`, 'it is on for this tenant')
  const seconds = Math.min(Math.max(typeof age === 'number' ? age : 3600, 60), 86_400)
  if (seconds === age) fates.carried('cache.max_age', `tenants.${TENANT}.cache.ttl_seconds`)
  else if (age !== undefined)
    fates.changed('cache.max_age', `tenants.${TENANT}.cache.ttl_seconds`, 'from a minute to a day')
  return [{ name: TENANT, cache: { mode: 'all', ttl_seconds: seconds } }]
}
