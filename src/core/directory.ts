// What the edge knows of the configuration: callers, targets and routes, as plain data compiled by the control plane.
import type { DataPolicy, OwnedDataPolicy } from './routing/data-policy.ts'
import type { JsonObject } from './json.ts'
import type { PassThroughPolicy } from './guard/pass-through-policy.ts'
import type { PriceRule, UnpricedPolicy } from './money/price-book.ts'
import type { Price } from './money/price.ts'
import type { BodyPolicy } from './guard/redact.ts'
import type { RouteGroup } from './routing/route-group.ts'
import type { Preset } from './routing/preset.ts'
import type { RouteRule } from './routing/route-rules.ts'
import type { ShadowPolicy } from './routing/shadow.ts'
import type { Switches } from './switches.ts'

export type DialectName =
  | 'openai-chat'
  | 'openai-responses'
  | 'openai-completions'
  | 'anthropic-messages'
  | 'bedrock-converse'
  | 'gemini'
  | 'cohere'
  | 'ollama'
  | 'tgi'
  | 'workers-ai'
  | 'declared'
/** A task: one question, one answer, of any form. */
export type TaskName =
  'embeddings' | 'rerank' | 'moderations' | 'images' | 'image-edits' | 'speech' | 'transcriptions' | 'translations'
export type ProtocolName = 'chat' | 'responses' | 'messages' | 'completions'
/** A concrete JSON and stream format. A protocol and a dialect with the same wire make the native lane. */
export type Wire =
  | 'openai-chat'
  | 'openai-responses'
  | 'openai-completions'
  | 'anthropic-messages'
  | 'gemini'
  | 'bedrock-converse'
  | 'cohere'
  | 'ollama'
  | 'tgi'
  | 'workers-ai'
  | 'declared'

/** How a credential is sent. `aws-sigv4` and `google-service-account` sign instead of sending it. */
export type AuthScheme =
  'bearer' | 'x-api-key' | 'api-key' | 'x-goog-api-key' | 'aws-sigv4' | 'google-service-account' | 'none'

/** What a model can do and how much it takes. A missing field is not known, and nothing is refused because of it. */
export interface ModelCapabilities {
  readonly contextTokens?: number
  readonly outputTokens?: number
  readonly vision?: boolean
  readonly documents?: boolean
  readonly audio?: boolean
  readonly tools?: boolean
  readonly jsonSchema?: boolean
  readonly reasoning?: boolean
  /** Goes on from the beginning of an assistant's turn that the request ends with. */
  readonly prefix?: boolean
}

/** When replies may be cached. `deterministic`: only with temperature 0 or a seed; `all`: any cacheable request. */
export type CacheMode = 'off' | 'deterministic' | 'all'

export interface CachePolicy {
  readonly mode: CacheMode
  readonly ttlSeconds: number
}

/** What a tenant's requests have to do with its end users. */
export interface EndUserPolicy {
  /** A request has to name one. */
  readonly isRequired: boolean
  /** Each of them has limits. */
  readonly isLimited: boolean
  /** The caller's team and key, where each user has limits of its own within them. Missing: within neither. */
  readonly within?: readonly string[]
}

/** Who calls: tenant, virtual key and defaults, as authenticated. */
export interface Caller {
  readonly tenantId: string
  readonly teamId: string | null
  readonly keyId: string
  readonly costCenter: string | null
  readonly tags: readonly string[]
  /** Requested models this key may use: exact names or `prefix*`; empty means all. */
  readonly allowedModels: readonly string[]
  readonly cache: CachePolicy
  /** Served without being checked while the limiter is away: the tenant wants that, and no budget stands on its path. */
  readonly admitsUnchecked?: true
  /** What becomes of its requests for a model without a price. Missing: as the gateway does. */
  readonly unpriced?: UnpricedPolicy
  /** Origins whose pages may read the answers, on top of the deployment's. */
  readonly corsOrigins?: readonly string[]
  /** Missing where they may stay unnamed and unlimited. */
  readonly endUsers?: EndUserPolicy
  /** What `/{provider}/…` reaches. Missing: as usual (`PASS_THROUGH_USUAL`). */
  readonly passThrough?: PassThroughPolicy
  /** What is kept of its prompts and replies. Missing: nothing. */
  readonly bodies?: BodyPolicy
  /** Of the tenant and of the key. Missing: neither has one. */
  readonly dataPolicies?: readonly OwnedDataPolicy[]
}

export interface TargetTimeouts {
  /** Until a streamed answer's status has come. Missing: as long as its first content may take. (Nothing tells when a
   *  connection stands; a whole reply's status comes with the reply.) */
  readonly connectMs?: number
  /** Until the first content of a stream, or the whole of an unstreamed reply. */
  readonly firstContentMs: number
  /** Between two chunks of a stream. */
  readonly idleMs: number
  /** For everything. */
  readonly totalMs: number
}

export type HealthCheck = 'models' | 'token'

/** Where a credential is: in a secret of the Worker or of a Secrets Store, by its binding; or here, encrypted
 *  (`ledger/credentials/seal.ts`); or nowhere, which is why its targets can't be called. */
export type HeldCredential =
  { readonly secret: string } | { readonly sealed: string; readonly version: number } | { readonly isMissing: true }

/** A credential as the snapshot names it; `previous` is what it was before, for as long as that is still tried. */
export interface PublishedCredential {
  readonly is: HeldCredential
  readonly previous?: { readonly version: number; readonly was: HeldCredential; readonly untilMs: number }
}

/** Provider, model, address and credential: a thing that can be called and can be healthy. */
export interface Target {
  readonly id: string
  /** Catalogue name of the provider. */
  readonly provider: string
  readonly dialect: DialectName
  /** Address without a trailing slash, e.g. `https://api.openai.com/v1`; `service://NAME/path` for a service binding. */
  readonly baseUrl: string
  /** The model as the provider names it; `*` passes the requested name on. */
  readonly model: string
  /** Name of the Worker secret that holds the credential, or of one that the snapshot holds; null when the provider needs
   *  none. */
  readonly credential: string | null
  /** Where there are several: names of those that share the traffic. The first is `credential`. */
  readonly credentials?: readonly string[]
  /** Where those of them are that aren't simply named after their secret. Missing: all are. */
  readonly held?: Readonly<Record<string, HeldCredential>>
  /** How it is checked while it has traffic: its list of models is asked for, or one token. Missing: not at all. */
  readonly healthCheck?: HealthCheck
  /** Further attempts on this target after a first failure. */
  readonly maxRetries: number
  readonly timeouts: TargetTimeouts
  /** Output bound assumed (and, under a budget, sent upstream) when the client names none. */
  readonly maxOutputTokens: number
  /** Null for a model without a known price. */
  readonly price: Price | null
  readonly priceVersion: string | null
  readonly costCenter: string | null
  /** Missing: as the dialect usually does. */
  readonly auth?: AuthScheme
  /** Peculiarities of the provider that the dialect has to heed (`core/quirk.ts`). */
  readonly quirks?: readonly string[]
  readonly capabilities?: ModelCapabilities
  /** What routing rules may ask for: `eu`, `no-training`, … */
  readonly labels?: readonly string[]
  /** Where what it is sent is processed: `eu`, `us`, … Missing: nobody knows. */
  readonly dataRegion?: string
  /** Whether its provider may train on what it is sent. Missing: nobody knows. */
  readonly trains?: boolean
  /** Most inputs of one embeddings call. */
  readonly maxBatchSize?: number
  /** Small embeddings requests are put together. Missing: each is a call of its own. */
  readonly batching?: Batching
  /** It has limits, shared by all tenants; missing: none. */
  readonly hasLimits?: true
  /** What the address needs besides: `region`, `project`, `location`, `account`, `apiVersion`, `deployment`. */
  readonly settings?: Readonly<Record<string, string>>
  /** For the `declared` dialect: the backend's wire, as data. */
  readonly declared?: JsonObject
}

/** How small requests are put together: into calls of so many inputs at most, waiting for company no longer than that. */
export interface Batching {
  readonly maxBatchSize: number
  readonly maxWaitMs: number
}

/** When a request that has not begun to be answered is tried at the next candidate as well: after so long, or after as
 *  long as its target takes in 95 of 100 cases. */
export interface HedgePolicy {
  readonly afterMs: number | 'p95'
}

/** A rule: requested model → ordered targets. */
export interface Route {
  readonly id: string
  /** Exact model name, or `prefix*`. */
  readonly model: string
  /** Null: for every tenant. */
  readonly tenantId: string | null
  /** Target ids in order of preference. */
  readonly targets: readonly string[]
  /** Request fields that may be dropped for a target that can't carry them. */
  readonly allowedGaps: readonly string[]
  /** How the targets are chosen; missing: by priority, in their order. Names exactly the targets of `targets`. */
  readonly group?: RouteGroup
  /** Until a whole reply is there or a streamed one has begun, over all attempts. Missing: as long as the targets allow. */
  readonly timeoutMs?: number
  /** A second attempt elsewhere when the first is late. Missing: none. */
  readonly hedge?: HedgePolicy
  /** False: a stream that breaks off ends with an error. Missing: somebody else goes on with it where that can be. */
  readonly midStreamFailover?: false
  /** What is different for certain requests. Their groups name targets of `targets` only. */
  readonly rules?: readonly RouteRule[]
  /** What every target has to meet. Missing: nothing. */
  readonly dataPolicy?: DataPolicy
  /** Where a share of its requests goes as well. Missing: nowhere. */
  readonly shadow?: ShadowPolicy
}

/** One immutable version of targets and routes. */
export interface RoutingSnapshot {
  readonly revision: number
  readonly targets: Readonly<Record<string, Target>>
  readonly routes: readonly Route[]
  /** What is charged where that isn't the listed price. Missing: nothing. */
  readonly prices?: readonly PriceRule[]
  /** Missing: there are none. */
  readonly presets?: readonly Preset[]
  /** What is switched off. Missing: nobody looked. */
  readonly switches?: Switches
  /** Credentials that targets call by their name. Missing: all name secrets of the Worker. */
  readonly credentials?: Readonly<Record<string, PublishedCredential>>
}

/** True when `pattern` (exact, or `prefix*`) covers `model`. */
export function modelMatches(pattern: string, model: string): boolean {
  return pattern.endsWith('*') ? model.startsWith(pattern.slice(0, -1)) : pattern === model
}

/** A virtual key's secret as it is kept: never the secret itself. */
export interface KeyHash {
  /** Which pepper it was made under. */
  readonly pepperVersion: number
  /** HMAC-SHA-256(pepper, secret), 64 lower-case hexadecimal digits. */
  readonly hmacHex: string
  /** From when on it is taken no more, because the key has another secret: epoch ms. Missing: as long as its key is. */
  readonly untilMs?: number
}

/** Version of the pepper under which keys are minted now. */
export const PEPPER_VERSION = 1

/** A virtual key as the directory publishes it, under `directoryKeyName`. It authenticates; spending is authorised by
 *  the limiter. */
export interface KeyRecord {
  readonly v: 1
  readonly keyId: string
  readonly kid: string
  readonly tenantId: string
  readonly teamId: string | null
  /** The newest first; those of before stay for a while after their end, so that whoever has one is told why. */
  readonly hashes: readonly KeyHash[]
  readonly costCenter: string | null
  readonly tags: readonly string[]
  /** As in `Caller`: exact names or `prefix*`; empty means all. */
  readonly allowedModels: readonly string[]
  readonly expiresAtMs: number | null
  readonly revokedAtMs: number | null
  /** The key itself has no budget; missing where it has, or nobody looked. */
  readonly hasNoBudget?: true
  /** Counts where it is narrower than the tenant's. Missing: the tenant's. */
  readonly passThrough?: PassThroughPolicy
  /** On top of the tenant's. */
  readonly dataPolicy?: DataPolicy
  /** Each of its end users has limits within the key. */
  readonly limitsEndUsers?: true
}

/** A tenant as the directory publishes it, under `directoryTenantName`. */
export interface TenantRecord {
  readonly v: 1
  readonly tenantId: string
  readonly name: string
  readonly cache: CachePolicy
  /** IANA zone in which the tenant's budget windows begin and end. */
  readonly timeZone: string
  /** While the limiter is away its requests are let through, but for those of keys and of these teams with a budget. Missing
   *  where they aren't, or the tenant itself has one. */
  readonly unchecked?: { readonly exceptTeams: readonly string[] }
  /** Its limits are lent by objects near its isolates. Missing: by its own alone. */
  readonly limiter?: 'regional'
  /** As in `Caller`. */
  readonly unpriced?: UnpricedPolicy
  /** As in `Caller`. */
  readonly corsOrigins?: readonly string[]
  /** Of all its keys. */
  readonly endUsers?: Omit<EndUserPolicy, 'within'>
  /** Teams within which each of their end users has limits. */
  readonly userLimitedTeams?: readonly string[]
  /** As in `Caller`. */
  readonly passThrough?: PassThroughPolicy
  readonly dataPolicy?: DataPolicy
  /** As in `Caller`. */
  readonly bodies?: BodyPolicy
}

/** Where the directory keeps the routing snapshot. */
export const DIRECTORY_ROUTING_NAME = 'routing'
/** Where it keeps the price list that counts in place of the built-in one; nothing where that counts. */
export const PRICE_LIST_NAME = 'price-list'

/** Where the directory keeps a key's record. */
export function directoryKeyName(kid: string): string {
  return `key:${kid}`
}

/** Which secret of a key is meant, for whoever knows the key: the beginning of its digest. */
export function secretMark(hmacHex: string): string {
  return hmacHex.slice(0, 16)
}

/** Where the directory keeps a key's record once more for a while after its secret was replaced: nobody has asked for that
 *  name before, so no edge remembers a record without the secret under it. */
export function directorySecretName(kid: string, mark: string): string {
  return `${directoryKeyName(kid)}:${mark}`
}

/** Where the gateway tells when an old secret of a key was last used: epoch ms, as text. */
export function directoryUseName(kid: string, mark: string): string {
  return `used:${kid}:${mark}`
}

/** Where the directory keeps a tenant's record. */
export function directoryTenantName(tenantId: string): string {
  return `tenant:${tenantId}`
}
