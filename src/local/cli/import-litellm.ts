// LiteLLM's config.yaml as a document of ours: deployments are targets, groups of one name are routes, fallbacks are further
// members of these. Fields as documented at https://docs.litellm.ai/docs/proxy/config_settings, read on 2026-11-21.
import { type Fields, Fates, type Imported, isFields, notEmpty } from './importing.ts'
import { type Defaults, type Deployment, readBudget, readDeployment } from './litellm-deployment.ts'

/** The tenant for what LiteLLM says of everybody: a cache, a budget. */
const TENANT = 'litellm'

/** What LiteLLM leaves out of a request where its model doesn't know it. */
const DROPPABLE = [
  'frequency_penalty',
  'logit_bias',
  'logprobs',
  'n',
  'parallel_tool_calls',
  'presence_penalty',
  'response_format',
  'seed',
  'service_tier',
  'stop',
  'temperature',
  'top_logprobs',
  'top_p',
  'user',
]

interface Sections {
  readonly router: Fields
  readonly library: Fields
  readonly general: Fields
}

/** Reads a config; `env`: values of environment variables that it refers to, as addresses. */
export function importLitellm(source: unknown, env: Readonly<Record<string, string | undefined>> = {}): Imported {
  const fates = new Fates(source)
  const root = isFields(source) ? source : {}
  const fieldsOf = (name: string) => (isFields(root[name]) ? root[name] : {})
  const sections = {
    router: fieldsOf('router_settings'),
    library: fieldsOf('litellm_settings'),
    general: fieldsOf('general_settings'),
  }
  const around = {
    fates,
    defaults: readDefaults(sections, fates),
    credentials: readCredentials(root, fates),
    env,
    ids: new Set<string>(),
    areWeighed: strategyOf(setting(sections, 'routing_strategy')?.value)[0] === 'weighted',
  }
  const entries = Array.isArray(root.model_list) ? root.model_list : []
  const deployments = entries.flatMap((entry, index) => readDeployment(entry, `model_list[${index}]`, around) ?? [])
  const routes = readRoutes(deployments, sections, fates)
  const tenants = readTenant(sections, fates)
  const channels = readChannels(sections.general, fates)
  noteKnown(root, sections, fates)
  const targets = deployments.map(({ target }) => target)
  const document = {
    ...notEmpty('tenants', tenants),
    ...notEmpty('targets', targets),
    ...notEmpty('routes', routes),
    ...notEmpty('alert_channels', channels),
  }
  return { document, report: fates.report() }
}

/** A setting of the router, or else of the library; the router's wins. */
function setting(
  { router, library }: Sections,
  name: string,
): { readonly value: unknown; readonly from: string } | null {
  if (router[name] !== undefined) return { value: router[name], from: `router_settings.${name}` }
  return library[name] === undefined ? null : { value: library[name], from: `litellm_settings.${name}` }
}

function readDefaults(sections: Sections, fates: Fates): Defaults {
  const number = (name: string, to: string, why: string): number | null => {
    const found = setting(sections, name)
    if (typeof found?.value !== 'number') return null
    fates.changed(found.from, to, why)
    return found.value
  }
  const { max_parallel_requests: parallel } = sections.general
  if (typeof parallel === 'number')
    fates.changed('general_settings.max_parallel_requests', 'targets.limits', 'it stands with each target')
  const each = 'it stands with each target, where that says nothing itself'
  return {
    retries: number('num_retries', 'targets.max_retries', each),
    timeoutSeconds: number('timeout', 'targets.timeouts', each) ?? number('request_timeout', 'targets.timeouts', each),
    streamTimeoutSeconds: number('stream_timeout', 'targets.timeouts', each),
    parallel: typeof parallel === 'number' ? parallel : number('default_max_parallel_requests', 'targets.limits', each),
  }
}

function readCredentials(root: Fields, fates: Fates) {
  const list = Array.isArray(root.credential_list) ? root.credential_list : []
  return new Map(
    list.flatMap((one: unknown, index) => {
      if (!isFields(one) || typeof one.credential_name !== 'string' || !isFields(one.credential_values)) return []
      const at = `credential_list[${index}]`
      fates.changed(`${at}.credential_name`, 'targets.credential', 'credentials are secrets of the Worker, by name')
      return [[one.credential_name, { values: one.credential_values, at }] as const]
    }),
  )
}

const STRATEGIES: Readonly<Record<string, readonly [ours: string, why: string | null]>> = {
  'simple-shuffle': ['weighted', null],
  'least-busy': ['least-busy', null],
  'latency-based-routing': ['fastest', null],
  'cost-based-routing': ['cheapest', null],
  'usage-based-routing': ['least-busy', 'by requests under way rather than by tokens used'],
  'usage-based-routing-v2': ['least-busy', 'by requests under way rather than by tokens used'],
}

type Group = { readonly strategy: string; readonly members: readonly unknown[] }

function readRoutes(deployments: readonly Deployment[], sections: Sections, fates: Fates): readonly Fields[] {
  const strategy = readStrategy(sections, fates)
  const groups = Map.groupBy(deployments, ({ group }) => group)
  const fallbacks = readFallbacks(sections, groups, fates)
  const dropping = setting(sections, 'drop_params')
  if (dropping !== null)
    fates.changed(dropping.from, 'routes.allowed_gaps', 'parameters that may be left out are named')
  const gaps = dropping?.value === true ? { allowed_gaps: DROPPABLE } : {}
  const routes = [...groups.keys()].map((model) => {
    const group = chainOf(model, groups, fallbacks, strategy)
    return { model, ...routed(group), ...gaps }
  })
  return [...routes, ...readAliases(sections, routes, fates)]
}

function routed(group: Group): Fields {
  const [only] = group.members
  return group.members.length === 1 && typeof only === 'string' ? { targets: [only] } : { group }
}

function strategyOf(theirs: unknown): readonly [ours: string, why: string | null] {
  if (theirs === undefined) return ['weighted', null]
  return STRATEGIES[String(theirs)] ?? ['weighted', 'there is no such strategy here']
}

function readStrategy(sections: Sections, fates: Fates): string {
  const found = setting(sections, 'routing_strategy')
  if (found === null) return 'weighted'
  const [ours, why] = strategyOf(found.value)
  if (why === null) fates.carried(found.from, 'routes.group.strategy')
  else fates.changed(found.from, 'routes.group.strategy', why)
  return ours
}

type Groups = ReadonlyMap<string, readonly Deployment[]>

/** A group with what stands behind it, each target once. */
function chainOf(
  model: string,
  groups: Groups,
  fallbacks: ReadonlyMap<string, readonly string[]>,
  strategy: string,
): Group {
  const seen = new Set<string>()
  const chain = [model, ...(fallbacks.get(model) ?? [])].flatMap((name) => {
    const members = (groups.get(name) ?? []).filter(({ id }) => !seen.has(id))
    for (const { id } of members) seen.add(id)
    return members.length === 0 ? [] : [groupOf(members, strategy)]
  })
  const [first] = chain
  if (chain.length === 1 && first !== undefined) return first
  return { strategy: 'priority', members: chain.map(memberOf) }
}

/** Deployments of one name: lower orders first, those of one order shared as the strategy says. */
function groupOf(members: readonly Deployment[], strategy: string): Group {
  const orders = [...new Set(members.map(({ order }) => order ?? Infinity))].toSorted((a, b) => a - b)
  if (orders.length > 1) {
    const tiers = orders.map((order) =>
      groupOf(
        members.filter((one) => (one.order ?? Infinity) === order),
        strategy,
      ),
    )
    return { strategy: 'priority', members: tiers.map(memberOf) }
  }
  const hasShares = strategy === 'weighted' && members.some(({ weight }) => weight !== null)
  return {
    strategy: members.length === 1 ? 'priority' : strategy,
    members: members.map(({ id, weight }) =>
      hasShares && members.length > 1 ? { target: id, weight: weight ?? 1 } : id,
    ),
  }
}

function memberOf(group: Group): unknown {
  const [only] = group.members
  return group.members.length === 1 && typeof only === 'string' ? only : { group }
}

/** Who stands behind whom, by name. */
function readFallbacks(sections: Sections, groups: Groups, fates: Fates): ReadonlyMap<string, readonly string[]> {
  const behind = new Map<string, string[]>()
  const add = (name: string, others: readonly unknown[], from: string): void => {
    for (const other of others) {
      if (typeof other !== 'string' || !groups.has(other) || !groups.has(name)) {
        fates.dropped(from, 'there is no model of that name')
      } else behind.set(name, [...(behind.get(name) ?? []), other])
    }
  }
  for (const [field, why] of FALLBACKS) {
    const found = setting(sections, field)
    if (found === null || !Array.isArray(found.value)) continue
    for (const [index, one] of found.value.entries()) {
      for (const [name, others] of Object.entries(isFields(one) ? one : {})) {
        const from = `${found.from}[${index}].${name}`
        add(name, Array.isArray(others) ? others : [], from)
        if (why === null) fates.carried(from, `routes.${name}`)
        else fates.changed(from, `routes.${name}`, why)
      }
    }
  }
  const usual = setting(sections, 'default_fallbacks')
  if (usual !== null && Array.isArray(usual.value)) {
    for (const name of groups.keys())
      add(
        name,
        usual.value.filter((other) => other !== name),
        usual.from,
      )
    fates.changed(usual.from, 'routes', 'they stand at the end of every route')
  }
  return behind
}

const FALLBACKS = [
  ['fallbacks', null],
  [
    'context_window_fallbacks',
    'they serve whenever those before them fail; what is too small for a request is passed over',
  ],
] as const

function readAliases(sections: Sections, routes: readonly Fields[], fates: Fates): readonly Fields[] {
  const found = setting(sections, 'model_group_alias')
  if (found === null || !isFields(found.value)) return []
  return Object.entries(found.value).flatMap(([alias, said]) => {
    const from = `${found.from}.${alias}`
    const name = isFields(said) ? said.model : said
    const route = routes.find(({ model }) => model === name)
    if (route === undefined || routes.some(({ model }) => model === alias)) {
      fates.dropped(
        from,
        route === undefined ? 'there is no model of that name' : 'there is a model of the name already',
      )
      return []
    }
    if (isFields(said) && said.hidden === true) fates.changed(from, `routes.${alias}`, 'it is listed among the models')
    else fates.carried(from, `routes.${alias}`)
    return [{ ...route, model: alias }]
  })
}

const TTL_USUAL_SECONDS = 600

function readTenant({ library, general }: Sections, fates: Fates): readonly Fields[] {
  const rules: Fields[] = []
  const budget = readBudget(library, 'litellm_settings', `tenants.${TENANT}.limits`, fates)
  if (budget !== null) rules.push(budget)
  const { global_max_parallel_requests: most } = general
  if (typeof most === 'number') {
    rules.push({ kind: 'concurrency', most })
    fates.changed(
      'general_settings.global_max_parallel_requests',
      `tenants.${TENANT}.limits`,
      'it holds for this tenant',
    )
  }
  const cache = readCache(library, fates)
  if (rules.length === 0 && cache === null) return []
  return [{ name: TENANT, ...(rules.length === 0 ? {} : { limits: { rules } }), ...(cache === null ? {} : { cache }) }]
}

function readCache(library: Fields, fates: Fates): Fields | null {
  if (library.cache !== true) return null
  const params = isFields(library.cache_params) ? library.cache_params : {}
  fates.changed('litellm_settings.cache', `tenants.${TENANT}.cache`, 'it is on for this tenant')
  const { ttl } = params
  const seconds = Math.min(Math.max(typeof ttl === 'number' ? ttl : TTL_USUAL_SECONDS, 60), 86_400)
  if (seconds === ttl) fates.carried('litellm_settings.cache_params.ttl', `tenants.${TENANT}.cache.ttl_seconds`)
  else if (ttl !== undefined)
    fates.changed('litellm_settings.cache_params.ttl', `tenants.${TENANT}.cache.ttl_seconds`, 'from a minute to a day')
  const isOptIn = params.mode === 'default_off'
  if (isOptIn) fates.dropped('litellm_settings.cache_params.mode', 'a cache that each request asks for: it stays off')
  for (const name of Object.keys(params)) {
    if (name !== 'ttl')
      fates.dropped(`litellm_settings.cache_params.${name}`, 'replies are kept where the gateway keeps them')
  }
  return { mode: isOptIn ? 'off' : 'all', ttl_seconds: seconds }
}

function readChannels({ alerting }: Fields, fates: Fates): readonly Fields[] {
  const kinds: readonly unknown[] = Array.isArray(alerting) ? alerting : []
  return kinds.flatMap((kind, index) => {
    const from = `general_settings.alerting[${index}]`
    if (kind !== 'slack') {
      fates.dropped(from, 'it lacks an address: write an alert channel')
      return []
    }
    fates.changed(from, 'alert_channels.slack', 'its URL belongs into the secret SLACK_WEBHOOK_URL of both Workers')
    fates.secret('SLACK_WEBHOOK_URL')
    return [{ kind: 'slack', name: 'slack', secret_name: 'SLACK_WEBHOOK_URL' }]
  })
}

/** Settings that are known to have no place, and why. */
const KNOWN: Readonly<Record<string, string>> = {
  'general_settings.master_key': 'the secret ADMIN_TOKEN is the operator; keys are minted',
  'general_settings.database_url': 'the gateway has its own database',
  'router_settings.redis_host': 'limits need no Redis',
  'router_settings.redis_port': 'limits need no Redis',
  'router_settings.redis_password': 'limits need no Redis',
  'router_settings.allowed_fails': 'breakers go by rates of failures, not by counts',
  'router_settings.cooldown_time': 'a target comes back as soon as it answers again',
  'router_settings.enable_pre_call_checks': 'what is too small for a request is always passed over',
  'router_settings.retry_policy': 'what is tried again follows from the failure',
  'router_settings.content_policy_fallbacks': 'a filtered reply is a reply',
  'litellm_settings.content_policy_fallbacks': 'a filtered reply is a reply',
  'litellm_settings.success_callback': 'the ledger has every call',
  'litellm_settings.failure_callback': 'the ledger has every call',
  'litellm_settings.callbacks': 'the ledger has every call',
  environment_variables: 'variables and secrets are settings of the Worker',
}

function noteKnown(root: Fields, { router, library, general }: Sections, fates: Fates): void {
  for (const name of Object.keys(library)) {
    if (router[name] !== undefined) fates.dropped(`litellm_settings.${name}`, 'what router_settings says of it counts')
  }
  const sections: Readonly<Record<string, Fields>> = {
    router_settings: router,
    litellm_settings: library,
    general_settings: general,
  }
  for (const [path, why] of Object.entries(KNOWN)) {
    const [section = '', name] = path.split('.')
    const isThere = name === undefined ? root[section] !== undefined : sections[section]?.[name] !== undefined
    if (isThere) fates.dropped(path, why)
  }
}
