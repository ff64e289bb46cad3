// The bindings of each Worker, as wrangler.toml declares them.
import type { LiveUpdates } from '../durable-objects/live-updates.ts'
import type { RegionalLimiter } from '../durable-objects/regional-limiter.ts'
import type { SideLimiter } from '../durable-objects/side-limiter.ts'
import type { TargetBreaker } from '../durable-objects/target-breaker.ts'
import type { TaskBatcher } from '../durable-objects/task-batcher.ts'
import type { TenantLimiter } from '../durable-objects/tenant-limiter.ts'
import type { CanaryFinding, RevisionFinding } from './core/routing/canary.ts'
import type { UsageBatch } from './core/money/usage-event.ts'

/** What sends alerts, of both Workers: channels' own secrets are further ones, read by name. */
export interface AlertBindings {
  /** Secret under which channels' secrets are encrypted; the same in both. */
  readonly ALERT_KEY?: string
  /** Cloudflare's mail binding, and the sender's address. */
  readonly ALERT_MAIL?: SendEmail
  readonly ALERT_MAIL_FROM?: string
  /** `true` lets targets and channels be on private addresses and plain http. Local only. */
  readonly ALLOW_PRIVATE_ENDPOINTS?: string
}

/** Worker 1, the gateway. Credentials are further secrets (`…_API_KEY`, `…_CREDENTIALS`, `…_ACCESS_KEY`) read by name: the
 *  Worker's own are text, those of a Secrets Store are asked for theirs. */
export interface GatewayEnv extends AlertBindings {
  readonly TENANT_LIMITER: DurableObjectNamespace<TenantLimiter>
  readonly TARGET_BREAKER: DurableObjectNamespace<TargetBreaker>
  /** A tenant's limits near its isolates, for tenants that want it; missing: for none. */
  readonly REGIONAL_LIMITER?: DurableObjectNamespace<RegionalLimiter>
  /** Limits of end users and of targets. */
  readonly SIDE_LIMITER: DurableObjectNamespace<SideLimiter>
  /** Where small requests meet, to be put to a provider together; missing: nowhere but in their isolates. */
  readonly TASK_BATCHER?: DurableObjectNamespace<TaskBatcher>
  /** The sockets of those who look; missing: they read again and again. */
  readonly LIVE_UPDATES?: DurableObjectNamespace<LiveUpdates>
  /** Keys, tenants and the routing snapshot. */
  readonly DIRECTORY: KVNamespace
  /** Cached replies. */
  readonly REPLIES: KVNamespace
  readonly DB: D1Database
  readonly USAGE: Queue<UsageBatch>
  readonly ASSETS?: Fetcher
  /** `local` for `npm start` and tests, else `production`. */
  readonly ENVIRONMENT: string
  /** Lifetime of a limiter lease in ms; 30000 unless set. */
  readonly LEASE_TTL_MS?: string
  /** Where the price list is fetched from; not at all unless set. */
  readonly PRICE_LIST_URL?: string
  /** What becomes of a model without a price: `zero` (served, charged nothing) unless set, `refuse`, or `default`. */
  readonly UNPRICED_MODELS?: string
  /** For `default`: USD per million tokens of input and of output, as in `3,15`. */
  readonly DEFAULT_PRICE?: string
  /** Origins whose pages may call the gateway, separated by commas; none unless set (`data-plane/http-surface.ts`). */
  readonly CORS_ORIGINS?: string
  /** The owner's own way in; without it, and without sign-in, the admin surface is closed. */
  readonly ADMIN_TOKEN?: string
  /** Sign-in by Cloudflare Access: `<team>.cloudflareaccess.com`, and the tag of the application's audience. */
  readonly ACCESS_TEAM_DOMAIN?: string
  readonly ACCESS_AUD?: string
  /** Sign-in by an OpenID Connect provider. The client's secret is one of the Worker's; a public client has none. */
  readonly OIDC_ISSUER?: string
  readonly OIDC_CLIENT_ID?: string
  readonly OIDC_CLIENT_SECRET?: string
  /** As the sign-in page names the provider. */
  readonly OIDC_NAME?: string
  /** Scopes besides `openid email profile`, separated by spaces. */
  readonly OIDC_SCOPES?: string
  /** `true`: addresses count though the provider doesn't say that it has verified them. */
  readonly OIDC_TRUST_EMAIL?: string
  /** Secret under which virtual keys and API tokens are hashed. */
  readonly KEY_PEPPER?: string
  /** Secret under which providers' credentials are encrypted, 32 bytes in base64; without it none are stored. */
  readonly CREDENTIAL_KEY?: string
  /** What it was before, while what was encrypted under that is encrypted anew. */
  readonly CREDENTIAL_KEY_PREVIOUS?: string
  /** Secret under which prompts and replies are encrypted that tenants want kept; without it none are. */
  readonly BODIES_KEY?: string
  readonly UPSTASH_REDIS_REST_URL?: string
  readonly UPSTASH_REDIS_REST_TOKEN?: string
}

/** The gateway's `Control`, as the usage consumer is bound to it. */
export interface ControlPlane {
  /** Takes a member of a route out of traffic; false where its route has changed since. */
  rollBack(finding: CanaryFinding): Promise<boolean>
  /** Undoes a revision of the configuration; false where it isn't watched any more. */
  takeBack(finding: RevisionFinding): Promise<boolean>
  /** Fetches the price list, where the gateway has an address for it. */
  refreshPrices(): Promise<void>
}

/** Worker 2, the usage consumer. It never sees a provider credential. */
export interface UsageEnv extends AlertBindings {
  readonly DB: D1Database
  readonly TENANT_LIMITER: DurableObjectNamespace<TenantLimiter>
  /** As the gateway's: told of what is in the ledger. */
  readonly LIVE_UPDATES?: DurableObjectNamespace<LiveUpdates>
  readonly USAGE: Queue<UsageBatch>
  readonly CONTROL: ControlPlane
  readonly ENVIRONMENT: string
  readonly ADMIN_TOKEN?: string
  /** Days for which single usage events are kept, or `forever`; 30 unless set. */
  readonly EVENTS_KEPT_DAYS?: string
  /** Where usage events go before they are forgotten; nowhere unless bound. */
  readonly ARCHIVE?: R2Bucket
  /** Where an OpenTelemetry collector listens; nothing is sent unless set (`ledger/telemetry/settings.ts`). */
  readonly OTLP_ENDPOINT?: string
  readonly OTLP_HEADERS?: string
  readonly OTLP_SAMPLE_PERCENT?: string
  readonly OTLP_SIGNALS?: string
  /** What is booked, on its way to the collector. */
  readonly TELEMETRY: Queue
  /** A dataset of Analytics Engine for a data point an attempt; nowhere unless bound. */
  readonly ATTEMPTS?: AnalyticsEngineDataset
}
