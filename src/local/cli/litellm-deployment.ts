// One entry of LiteLLM's `model_list` as a target. Fields as documented at https://docs.litellm.ai/docs/proxy/configs,
// read on 2026-11-21. Seconds there are milliseconds here, USD a token are USD per million.
import { LITELLM_PROVIDERS, litellmProviderOf } from './foreign-providers.ts'
import { type Fates, type Fields, isFields, perMillion, secretFor, slugOf, uniqueIn, usdText } from './importing.ts'

/** What holds for deployments that say nothing themselves. Seconds, as LiteLLM has them. */
export interface Defaults {
  readonly retries: number | null
  readonly timeoutSeconds: number | null
  readonly streamTimeoutSeconds: number | null
  readonly parallel: number | null
}

/** A deployment as a target, and how it shares its group's traffic. */
export interface Deployment {
  readonly group: string
  readonly id: string
  readonly target: Fields
  readonly weight: number | null
  /** Lower ones first; null for none said. */
  readonly order: number | null
}

export interface Surrounding {
  readonly fates: Fates
  readonly defaults: Defaults
  readonly credentials: ReadonlyMap<string, { readonly values: Fields; readonly at: string }>
  /** Values of environment variables that the file refers to, but for secrets. */
  readonly env: Readonly<Record<string, string | undefined>>
  readonly ids: Set<string>
  /** Whether deployments of one name share by weight. */
  readonly areWeighed: boolean
}

/** Reads one entry; null where nothing can call it. */
export function readDeployment(entry: unknown, at: string, around: Surrounding): Deployment | null {
  const { fates } = around
  const params = isFields(entry) && isFields(entry.litellm_params) ? entry.litellm_params : {}
  const info = isFields(entry) && isFields(entry.model_info) ? entry.model_info : {}
  const [group, written] = [isFields(entry) ? entry.model_name : null, params.model]
  if (typeof group !== 'string' || typeof written !== 'string') {
    fates.dropped(at, 'it has no model_name, or no model')
    return null
  }
  // Such a name would be passed on with the provider before it.
  if (group.endsWith('/*') || group.slice(0, -1).includes('*')) {
    fates.dropped(at, `${JSON.stringify(group)} can't be a route: name models, or their prefix without a provider`)
    return null
  }
  const called = readModel(written, params, at, around)
  if (called === null) return null
  const wantedId =
    typeof info.id === 'string' ? info.id : `${called.provider}-${called.model === '*' ? 'any' : called.model}`
  const id = uniqueIn(around.ids, slugOf(wantedId))
  const to = `targets.${id}`
  fates.carried(`${at}.model_name`, 'routes')
  if (typeof info.id === 'string') fates.carried(`${at}.model_info.id`, `${to}.id`)
  const place: Place = { params, info, at, to, around }
  const target = {
    id,
    provider: called.provider,
    model: called.model,
    ...called.more,
    ...readCredential(called.provider, place),
    ...readLimits(place),
    ...readTimes(place),
    ...readPrice(place),
    ...readFacts(place),
  }
  noteRest(place)
  return { group, id, target, weight: readWeight(place), order: numberAt(place, 'order', `routes.${group}`) }
}

interface Place {
  readonly params: Fields
  readonly info: Fields
  readonly at: string
  readonly to: string
  readonly around: Surrounding
}

interface Called {
  readonly provider: string
  readonly model: string
  /** Address and settings. */
  readonly more: Fields
}

function readModel(written: string, params: Fields, at: string, around: Surrounding): Called | null {
  const { fates } = around
  const from = `${at}.litellm_params.model`
  const [prefix = '', ...rest] = written.split('/')
  const named = typeof params.custom_llm_provider === 'string' ? params.custom_llm_provider : prefix
  const known = rest.length > 0 || typeof params.custom_llm_provider === 'string' ? LITELLM_PROVIDERS[named] : undefined
  const model = known === undefined || rest.length === 0 ? written : rest.join('/')
  const provider = known ?? litellmProviderOf(written)
  if (provider === null || written === '*') {
    fates.dropped(at, `nothing says whose ${JSON.stringify(written)} is: write a target with its provider`)
    return null
  }
  if (params.custom_llm_provider !== undefined)
    fates.carried(`${at}.litellm_params.custom_llm_provider`, 'targets.provider')
  const address = readAddress(provider, params, at, around)
  if (address === null) return null
  const called = onItsHost(provider, model)
  if (called.model === written) fates.carried(from, 'targets.model')
  else fates.changed(from, 'targets.model', `its prefix is the provider ${called.provider}`)
  const isOwnServer = provider === 'openai' && 'base_url' in address.base
  const settings = { ...address.settings, ...settingsOf(called.provider, params, at, around) }
  const more = { ...address.base, ...(Object.keys(settings).length === 0 ? {} : { settings }) }
  return { provider: isOwnServer ? 'custom' : called.provider, model: called.model, more }
}

/** Vendors on somebody's host have providers of their own. */
function onItsHost(provider: string, model: string): { readonly provider: string; readonly model: string } {
  const plain = provider === 'bedrock' ? model.replace(/^(?:converse|invoke)\//, '') : model
  if (provider === 'vertex' && plain.startsWith('claude')) return { provider: 'vertex-anthropic', model: plain }
  return { provider, model: plain }
}

interface Address {
  readonly base: Fields
  readonly settings: Fields
}

/** The address, where one is given; null where it can't be known. */
function readAddress(provider: string, params: Fields, at: string, around: Surrounding): Address | null {
  const { fates } = around
  const place = ofCredential(params, 'api_base', at, around)
  if (place === null) {
    if (provider !== 'custom' && provider !== 'vllm') return { base: {}, settings: {} }
    fates.dropped(at, 'it has no api_base: write its address as base_url')
    return null
  }
  const url = resolved(place.value, around)
  if (url === null) {
    fates.dropped(place.from, 'it stands in an environment variable that is not set here: set it, and import again')
    fates.dropped(at, 'its address is not known')
    return null
  }
  const resource = /^https:\/\/([^./]+)\.openai\.azure\.com\/?$/.exec(url)?.[1]
  if (provider === 'azure' && resource !== undefined) {
    fates.changed(place.from, 'targets.settings.resource', 'the address follows from its resource')
    return { base: {}, settings: { resource } }
  }
  fates.carried(place.from, 'targets.base_url')
  return { base: { base_url: url }, settings: {} }
}

function settingsOf(provider: string, params: Fields, at: string, around: Surrounding): Fields {
  const names = { aws_region_name: 'region', vertex_project: 'project', vertex_location: 'location' } as const
  const settings: Record<string, string> = {}
  for (const [name, setting] of Object.entries(names)) {
    const value = resolved(params[name], around)
    const from = `${at}.litellm_params.${name}`
    if (params[name] === undefined) continue
    if (value === null) around.fates.dropped(from, 'it stands in an environment variable that is not set here')
    else {
      settings[setting] = value
      around.fates.carried(from, `targets.settings.${setting}`)
    }
  }
  const version = ofCredential(params, 'api_version', at, around)
  if (version !== null) around.fates.dropped(version.from, `the address of ${provider} here needs no version`)
  return settings
}

function readCredential(provider: string, { params, at, around }: Place): Fields {
  const { fates } = around
  const names = [
    'aws_access_key_id',
    'aws_secret_access_key',
    'aws_session_token',
    'vertex_credentials',
    'azure_ad_token',
  ]
  for (const name of names.filter((one) => params[one] !== undefined)) {
    const secret = provider.startsWith('vertex')
      ? 'VERTEX_CREDENTIALS'
      : provider.startsWith('bedrock')
        ? 'BEDROCK_API_KEY'
        : 'AZURE_OPENAI_API_KEY'
    fates.secret(secret)
    fates.changed(
      `${at}.litellm_params.${name}`,
      'targets.credential',
      `it belongs into the secret ${secret} of the Worker`,
    )
  }
  const key = ofCredential(params, 'api_key', at, around)
  if (key === null) return {}
  const variable = typeof key.value === 'string' ? /^os\.environ\/(.+)$/.exec(key.value)?.[1] : undefined
  if (variable === undefined && (key.value === 'none' || key.value === '' || key.value === null)) {
    fates.changed(key.from, 'targets.credential', 'no key is sent')
    return { credential: null, auth: 'none' }
  }
  const secret = secretFor(variable ?? `${provider}_API_KEY`)
  fates.secret(secret)
  if (secret === variable) fates.carried(key.from, 'targets.credential')
  else {
    const why =
      variable === undefined
        ? 'the key itself stood in the file'
        : `only names that end in _API_KEY, _CREDENTIALS or _ACCESS_KEY can be credentials`
    fates.changed(key.from, 'targets.credential', `${why}: set it as the secret ${secret}`)
  }
  return { credential: secret }
}

/** A value that stands with the deployment, or with the credential that it names. */
function ofCredential(
  params: Fields,
  name: string,
  at: string,
  { credentials, fates }: Surrounding,
): { readonly value: unknown; readonly from: string } | null {
  if (params[name] !== undefined) return { value: params[name], from: `${at}.litellm_params.${name}` }
  const reference = params.litellm_credential_name
  const shared = typeof reference === 'string' ? credentials.get(reference) : undefined
  if (shared === undefined) return null
  fates.carried(`${at}.litellm_params.litellm_credential_name`, 'targets.credential')
  return shared.values[name] === undefined
    ? null
    : { value: shared.values[name], from: `${shared.at}.credential_values.${name}` }
}

/** A text, or that of the environment variable that it names. */
function resolved(value: unknown, { env }: Surrounding): string | null {
  if (typeof value !== 'string') return null
  const variable = /^os\.environ\/(.+)$/.exec(value)?.[1]
  return variable === undefined ? value : (env[variable] ?? null)
}

function readLimits(place: Place): Fields {
  const { around, to, at, params } = place
  const limits: Fields[] = []
  const [rpm, tpm] = [numberAt(place, 'rpm', `${to}.limits`), numberAt(place, 'tpm', `${to}.limits`)]
  if (rpm !== null) limits.push({ kind: 'rate', unit: 'requests', per_minute: rpm })
  if (tpm !== null) limits.push({ kind: 'rate', unit: 'tokens', per_minute: tpm })
  const most = numberAt(place, 'max_parallel_requests', `${to}.limits`) ?? around.defaults.parallel
  if (most !== null) limits.push({ kind: 'concurrency', most })
  const budget = readBudget(params, `${at}.litellm_params`, `${to}.limits`, around.fates)
  if (budget !== null) limits.push(budget)
  return limits.length === 0 ? {} : { limits }
}

/** `max_budget` and `budget_duration` as a rule; null for none. */
export function readBudget(fields: Fields, at: string, to: string, fates: Fates): Fields | null {
  const { max_budget: usd, budget_duration: duration } = fields
  if (typeof usd !== 'number') return null
  const period = periodOf(duration)
  if (period === null) {
    fates.dropped(`${at}.max_budget`, 'its budget_duration is no period of whole days, hours, weeks or months')
    return null
  }
  fates.carried(`${at}.max_budget`, to)
  if (typeof period === 'string') fates.carried(`${at}.budget_duration`, to)
  else fates.changed(`${at}.budget_duration`, to, 'windows are counted from 2026-01-01')
  return { kind: 'budget', amount_usd: usdText(usd), period }
}

function periodOf(duration: unknown): string | { readonly every_days: number; readonly from: string } | null {
  const whole: Readonly<Record<string, string>> = {
    '1h': 'hour',
    '1d': 'day',
    '24h': 'day',
    '7d': 'week',
    '1w': 'week',
    '1mo': 'month',
  }
  const found = whole[String(duration)]
  if (found !== undefined) return found
  const days = /^(\d+)d$/.exec(String(duration))?.[1]
  return days === undefined || Number(days) < 1 || Number(days) > 400
    ? null
    : { every_days: Number(days), from: '2026-01-01' }
}

const USUAL_FIRST_MS = 120_000
const USUAL_IDLE_MS = 60_000

function readTimes(place: Place): Fields {
  const { around, to } = place
  const total = numberAt(place, 'timeout', `${to}.timeouts`) ?? around.defaults.timeoutSeconds
  const first = numberAt(place, 'stream_timeout', `${to}.timeouts`) ?? around.defaults.streamTimeoutSeconds
  const retries =
    numberAt(place, 'max_retries', `${to}.max_retries`) ?? numberAt(place, 'num_retries', `${to}.max_retries`)
  const most = retries ?? around.defaults.retries
  const output = numberAt(
    place,
    'max_tokens',
    `${to}.max_output_tokens`,
    'it bounds replies where the client gives no bound',
  )
  const totalMs = total === null ? null : Math.round(total * 1000)
  const firstMs = first === null ? null : Math.round(first * 1000)
  const timeouts =
    totalMs === null && firstMs === null
      ? {}
      : {
          timeouts: {
            first_content_ms: Math.min(firstMs ?? USUAL_FIRST_MS, totalMs ?? Infinity),
            idle_ms: Math.min(USUAL_IDLE_MS, totalMs ?? Infinity),
            ...(totalMs === null ? {} : { total_ms: totalMs }),
          },
        }
  return {
    ...timeouts,
    ...(most === null ? {} : { max_retries: Math.min(most, 5) }),
    ...(output === null ? {} : { max_output_tokens: output }),
  }
}

function readPrice({ params, info, at, to, around: { fates } }: Place): Fields {
  const from = (name: string) =>
    params[name] === undefined ? `${at}.model_info.${name}` : `${at}.litellm_params.${name}`
  const [input, output] = [
    perMillion(params.input_cost_per_token ?? info.input_cost_per_token),
    perMillion(params.output_cost_per_token ?? info.output_cost_per_token),
  ]
  if (input === null && output === null) return {}
  for (const name of ['input_cost_per_token', 'output_cost_per_token']) {
    if ((params[name] ?? info[name]) !== undefined) fates.carried(from(name), `${to}.price`)
  }
  return { price: { input_usd_per_million: input ?? '0.00', output_usd_per_million: output ?? '0.00' } }
}

const CAPABILITIES = {
  max_input_tokens: 'context_tokens',
  max_output_tokens: 'output_tokens',
  supports_vision: 'vision',
  supports_pdf_input: 'documents',
  supports_audio_input: 'audio',
  supports_function_calling: 'tools',
  supports_response_schema: 'json_schema',
  supports_reasoning: 'reasoning',
  supports_assistant_prefill: 'prefix',
} as const

function readFacts({ params, info, at, to, around: { fates } }: Place): Fields {
  const capabilities: Record<string, unknown> = {}
  for (const [name, ours] of Object.entries(CAPABILITIES)) {
    const value = info[name]
    if (typeof value !== 'boolean' && typeof value !== 'number') continue
    capabilities[ours] = value
    fates.carried(`${at}.model_info.${name}`, `${to}.capabilities.${ours}`)
  }
  const tags = Array.isArray(params.tags) ? params.tags.filter((tag) => typeof tag === 'string') : []
  if (tags.length > 0)
    fates.changed(`${at}.litellm_params.tags`, `${to}.labels`, 'rules of routes ask for labels; requests do not')
  return {
    ...(Object.keys(capabilities).length === 0 ? {} : { capabilities }),
    ...(tags.length === 0 ? {} : { labels: tags }),
  }
}

function readWeight(place: Place): number | null {
  const { params, at, around } = place
  if (!around.areWeighed && params.weight !== undefined)
    around.fates.dropped(`${at}.litellm_params.weight`, 'weights mean something with simple-shuffle only')
  const { rpm, tpm } = params
  // As simple-shuffle has it: by weight, else by requests, else by tokens a minute.
  return numberAt(place, 'weight', 'routes') ?? (typeof rpm === 'number' ? rpm : typeof tpm === 'number' ? tpm : null)
}

/** A number of the deployment; null for none. Noted as carried, or with what is different about it. */
function numberAt({ params, at, around }: Place, name: string, to: string, why?: string): number | null {
  const value = params[name]
  if (value === undefined) return null
  const from = `${at}.litellm_params.${name}`
  if (typeof value !== 'number') {
    around.fates.dropped(from, 'it is not a number')
    return null
  }
  if (name.endsWith('retries') && value > 5) around.fates.changed(from, to, 'five is the most')
  else if (name === 'timeout' || name === 'stream_timeout')
    around.fates.changed(from, to, 'seconds are milliseconds here')
  else if (why === undefined) around.fates.carried(from, to)
  else around.fates.changed(from, to, why)
  return value
}

/** Fields that are known, and known to have no place. */
const KNOWN: Readonly<Record<string, string>> = {
  temperature: 'parameters of requests belong to the client, or to a preset',
  top_p: 'parameters of requests belong to the client, or to a preset',
  seed: 'parameters of requests belong to the client, or to a preset',
  organization: 'no such header is sent',
  extra_headers: 'no further headers are sent',
  drop_params: 'routes say by name what may be left out: allowed_gaps',
}

function noteRest({ params, info, at, around: { fates } }: Place): void {
  for (const [name, why] of Object.entries(KNOWN)) {
    if (params[name] !== undefined) fates.dropped(`${at}.litellm_params.${name}`, why)
  }
  if (info.mode !== undefined)
    fates.dropped(`${at}.model_info.mode`, 'a target does whatever its wire can: the endpoint says what is asked')
  if (info.base_model !== undefined) fates.dropped(`${at}.model_info.base_model`, 'prices go by the model, or by price')
}
