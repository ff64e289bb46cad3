// What a target says besides its model and its address: how its credential is sent, settings, quirks, capabilities, a wire
// as data. From the operator's words to the target's, and back for the API's answers.
import type { Provider } from '../../catalog/providers.ts'
import type { AuthScheme, DialectName, ModelCapabilities, Target } from '../../core/directory.ts'
import type { TargetChange } from '../schemas.ts'

/** The members of a target that may be missing. */
export type TargetOptions = Pick<
  Target,
  | 'auth'
  | 'credentials'
  | 'healthCheck'
  | 'settings'
  | 'quirks'
  | 'capabilities'
  | 'labels'
  | 'dataRegion'
  | 'trains'
  | 'maxBatchSize'
  | 'batching'
  | 'declared'
>

/** What the catalogue says of every target of this provider. Quirks are peculiarities of a wire: for another one than the
 *  provider's own they say nothing. */
export function providerOptions(provider: Provider, dialect: DialectName): TargetOptions {
  const isUsual = provider.dialect === dialect
  return written({
    auth: isUsual ? provider.auth : undefined,
    credentials: undefined,
    healthCheck: undefined,
    settings: provider.settings,
    quirks: isUsual ? provider.quirks : undefined,
    capabilities: undefined,
    labels: undefined,
    dataRegion: undefined,
    trains: undefined,
    maxBatchSize: undefined,
    batching: undefined,
    declared: isUsual ? provider.declared : undefined,
  })
}

/** Options after a change. What is left out stays, null takes away; settings and capabilities change one by one. */
export function changeOptions(before: TargetOptions, body: TargetChange): TargetOptions {
  return written({
    auth: changed(before.auth, body.auth),
    credentials: changedCredentials(before.credentials, body),
    healthCheck: changed(before.healthCheck, body.health_check === 'off' ? null : body.health_check),
    settings: changedSettings(before.settings, body.settings),
    quirks: changed(before.quirks, body.quirks),
    capabilities: changedCapabilities(before.capabilities, body.capabilities),
    labels: changed(before.labels, body.labels),
    dataRegion: changed(before.dataRegion, body.data_region),
    trains: changed(before.trains, body.trains),
    maxBatchSize: changed(before.maxBatchSize, body.max_batch_size),
    batching: changed(before.batching, readBatching(body.batching)),
    declared: changed(before.declared, body.declared),
  })
}

/** The target without its options. */
export function withoutOptions(target: Target): Target {
  const {
    auth: _auth,
    credentials: _credentials,
    healthCheck: _healthCheck,
    settings: _settings,
    quirks: _quirks,
    capabilities: _capabilities,
    labels: _labels,
    dataRegion: _region,
    trains: _trains,
    maxBatchSize: _max,
    batching: _batching,
    declared: _declared,
    ...rest
  } = target
  return rest
}

/** Options as the API shows them; null for what a target leaves to its dialect. */
export function viewOptions(options: TargetOptions) {
  const { auth, credentials, healthCheck, settings, quirks, capabilities, labels, maxBatchSize, batching, declared } =
    options
  const { dataRegion, trains } = options
  return {
    auth: auth ?? null,
    credentials: credentials ?? null,
    health_check: healthCheck ?? 'off',
    settings: Object.fromEntries(Object.entries(settings ?? {}).map(([name, value]) => [toSnakeCase(name), value])),
    quirks: quirks ?? [],
    capabilities: viewCapabilities(capabilities ?? {}),
    labels: labels ?? [],
    data_region: dataRegion ?? null,
    trains: trains ?? null,
    max_batch_size: maxBatchSize ?? null,
    batching:
      batching === undefined ? null : { max_batch_size: batching.maxBatchSize, max_wait_ms: batching.maxWaitMs },
    declared: declared ?? null,
  }
}

/** What the API calls a setting. */
export function settingField(name: string): string {
  return `settings.${toSnakeCase(name)}`
}

/** Schemes that nobody can follow without a credential. */
export const SIGNING_SCHEMES: ReadonlySet<AuthScheme> = new Set(['aws-sigv4', 'google-service-account'])

type Missable<Values> = { readonly [Name in keyof Values]-?: Values[Name] | undefined }

function written(options: Missable<TargetOptions>): TargetOptions {
  const { auth, credentials, healthCheck, settings, quirks, capabilities, labels, maxBatchSize, batching, declared } =
    options
  const { dataRegion, trains } = options
  return {
    ...(dataRegion === undefined ? {} : { dataRegion }),
    ...(trains === undefined ? {} : { trains }),
    ...(auth === undefined ? {} : { auth }),
    ...(credentials === undefined ? {} : { credentials }),
    ...(healthCheck === undefined ? {} : { healthCheck }),
    ...(settings === undefined ? {} : { settings }),
    ...(quirks === undefined ? {} : { quirks }),
    ...(capabilities === undefined ? {} : { capabilities }),
    ...(labels === undefined ? {} : { labels }),
    ...(maxBatchSize === undefined ? {} : { maxBatchSize }),
    ...(batching === undefined ? {} : { batching }),
    ...(declared === undefined ? {} : { declared }),
  }
}

function changed<Value>(before: Value | undefined, given: Value | null | undefined): Value | undefined {
  return given === undefined ? before : (given ?? undefined)
}

/** A request waits so long for company where nothing is said of it. Ms. */
const WAIT_MS = 10

function readBatching(given: TargetChange['batching']): Target['batching'] | null {
  if (given === undefined || given === null) return given
  return { maxBatchSize: given.max_batch_size, maxWaitMs: given.max_wait_ms ?? WAIT_MS }
}

/** One credential in place of several, or of several the first: they are never at odds. */
function changedCredentials(before: Target['credentials'], body: TargetChange): Target['credentials'] {
  if (body.credentials === undefined) return body.credential === undefined ? before : undefined
  return body.credentials === null || body.credentials.length === 1 ? undefined : body.credentials
}

function changedSettings(before: Target['settings'], given: TargetChange['settings']): Target['settings'] {
  const settings = new Map(Object.entries(before ?? {}))
  for (const [field, value] of Object.entries(given ?? {})) {
    if (value === null) settings.delete(toCamelCase(field))
    else if (value !== undefined) settings.set(toCamelCase(field), value)
  }
  return settings.size === 0 ? undefined : Object.fromEntries(settings)
}

function changedCapabilities(
  before: ModelCapabilities = {},
  given: TargetChange['capabilities'] = {},
): ModelCapabilities | undefined {
  const capabilities: { -readonly [Name in keyof ModelCapabilities]: ModelCapabilities[Name] } = { ...before }
  for (const [field, name] of TOKEN_FIELDS) {
    const value = given[field]
    if (value === null) delete capabilities[name]
    else if (value !== undefined) capabilities[name] = value
  }
  for (const [field, name] of FLAG_FIELDS) {
    const value = given[field]
    if (value === null) delete capabilities[name]
    else if (value !== undefined) capabilities[name] = value
  }
  return Object.keys(capabilities).length === 0 ? undefined : capabilities
}

function viewCapabilities(capabilities: ModelCapabilities): Record<string, number | boolean> {
  const shown: Record<string, number | boolean> = {}
  for (const [field, name] of [...TOKEN_FIELDS, ...FLAG_FIELDS]) {
    const value = capabilities[name]
    if (value !== undefined) shown[field] = value
  }
  return shown
}

const TOKEN_FIELDS = [
  ['context_tokens', 'contextTokens'],
  ['output_tokens', 'outputTokens'],
] as const
const FLAG_FIELDS = [
  ['vision', 'vision'],
  ['documents', 'documents'],
  ['audio', 'audio'],
  ['tools', 'tools'],
  ['json_schema', 'jsonSchema'],
  ['reasoning', 'reasoning'],
  ['prefix', 'prefix'],
] as const

function toSnakeCase(name: string): string {
  return name.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)
}

function toCamelCase(field: string): string {
  return field.replaceAll(/_([a-z])/g, (_, letter: string) => letter.toUpperCase())
}
