// Boots the whole of Tidegate on this machine: gateway, usage consumer and simulated providers as three Workers in one
// workerd, with Durable Objects, KV, D1 and the queue as they are in production. `npm start`, the end-to-end tests and
// the benchmark all start here. The gateway gets a socket of its own: Miniflare's front door would cost more than it does.
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { convertV4MiniflareOptions, Log, LogLevel, Miniflare, type V4WorkerOptions } from 'miniflare'
import { type BuiltModule, bundleGateway, bundleWorker } from './bundle.ts'
import { buildDashboardIfStale, serveAsset } from './dashboard.ts'
import { migrate } from './migrate.ts'
import { endWorkerdWithThisProcess } from './reaper.ts'
import { SIMULATED_CREDENTIAL } from './seed-models.ts'

const COMPATIBILITY = { compatibilityDate: '2026-10-23', compatibilityFlags: ['enable_request_signal'] }
const LAST_GROUP_MS = 100
const HOST = '127.0.0.1'
const GATEWAY = 'tidegate'
const USAGE = 'tidegate-usage'
const SIMULATED = 'tidegate-simulated'
const QUEUE = 'tidegate-usage'
const DEAD_QUEUE = 'tidegate-usage-dead'
const TELEMETRY_QUEUE = 'tidegate-telemetry'
const SHARED_SECRETS = ['ADMIN_TOKEN', 'ALERT_KEY'] as const

/** One line that a Worker logged. */
export interface LogLine {
  readonly level: string
  readonly message: string
}

export interface SystemOptions {
  /** Where the gateway listens on 127.0.0.1; 0 and absent mean any free port. */
  readonly port?: number
  /** Folder of everything that survives a restart. */
  readonly stateDir: string
  /** Plain variables of the gateway and the usage consumer, on top of the local defaults. */
  readonly vars?: Readonly<Record<string, string>>
  /** Secrets of the gateway. Only ADMIN_TOKEN and ALERT_KEY reach the usage consumer. */
  readonly secrets?: Readonly<Record<string, string>>
  /** Bindings of the gateway to secrets of a Secrets Store, which may have none of that name. */
  readonly secretsStore?: readonly string[]
  /** Whether the simulated providers run; they do unless this is false. */
  readonly simulated?: boolean
  /** Whether the usage consumer runs; without it usage events wait in the queue. It does unless this is false. */
  readonly usageConsumer?: boolean
  /** Whether the dashboard is built and served; it is unless this is false. */
  readonly dashboard?: boolean
  /** Minify the Workers, as a deployment does. */
  readonly minify?: boolean
  /** The Workers' code, where it has been built before; it is built unless this is given. */
  readonly built?: BuiltSystem
  /** Further Workers in the same workerd. */
  readonly workers?: readonly V4WorkerOptions[]
  /** How long the queue gathers a batch; 0.5 s unless set. */
  readonly queueBatchSeconds?: number
  /** Receives what the Workers log; printed when absent. */
  readonly onLog?: (line: LogLine) => void
}

export interface RunningSystem {
  /** The gateway, straight from its own socket, without a trailing slash. */
  readonly url: string
  /** The usage consumer's operator routes. */
  readonly usageUrl: string | undefined
  /** The simulated providers, for who wants to call them directly. */
  readonly simulatedUrl: string | undefined
  readonly mf: Miniflare
  /** Runs the usage consumer's hourly work now, or that of another of its schedules. */
  runSchedule(cron?: string): Promise<void>
  /** Stops everything and frees the port. What has been written stays. */
  dispose(): Promise<void>
}

/** What the Workers run. */
export interface BuiltSystem {
  readonly gateway: readonly Pick<BuiltModule, 'name' | 'code'>[]
  readonly usage: string
  readonly simulated: string
}

/** Builds the three Workers. Rejects, with the bundler's messages, if one does not build. */
export async function buildSystem(minify: boolean): Promise<BuiltSystem> {
  const [gateway, usage, simulated] = await Promise.all([
    bundleGateway({ minify }),
    bundleWorker('src/usage-consumer.ts', { minify }),
    bundleWorker('src/simulated/worker.ts', { minify }),
  ])
  return { gateway, usage, simulated }
}

interface Modules {
  readonly modules: { readonly type: 'ESModule'; readonly path: string; readonly contents: string }[]
}

function modulesOf(modules: BuiltSystem['gateway']): Modules {
  return { modules: modules.map(({ name, code }) => ({ type: 'ESModule', path: name, contents: code })) }
}

function gatewayWorker(options: SystemOptions, built: BuiltSystem): V4WorkerOptions {
  const withSimulated = options.simulated !== false
  return {
    name: GATEWAY,
    ...COMPATIBILITY,
    ...modulesOf(built.gateway),
    unsafeDirectSockets: [{ host: HOST, port: options.port ?? 0 }],
    bindings: {
      ENVIRONMENT: 'local',
      ALLOW_PRIVATE_ENDPOINTS: 'true',
      ...(withSimulated ? { [SIMULATED_CREDENTIAL]: 'simulated' } : {}),
      ...options.vars,
      ...options.secrets,
    },
    durableObjects: {
      TENANT_LIMITER: { className: 'TenantLimiter', useSQLite: true },
      TARGET_BREAKER: { className: 'TargetBreaker', useSQLite: true },
      SIDE_LIMITER: { className: 'SideLimiter', useSQLite: true },
      REGIONAL_LIMITER: { className: 'RegionalLimiter', useSQLite: true },
      LIVE_UPDATES: { className: 'LiveUpdates', useSQLite: true },
    },
    kvNamespaces: { DIRECTORY: 'directory', REPLIES: 'replies' },
    secretsStoreSecrets: Object.fromEntries(
      (options.secretsStore ?? []).map((name) => [name, { store_id: 'local', secret_name: name }]),
    ),
    d1Databases: { DB: 'tidegate' },
    queueProducers: { USAGE: { queueName: QUEUE } },
    serviceBindings: {
      ...(options.dashboard === false ? {} : { ASSETS: serveAsset }),
      ...(withSimulated ? { SIMULATED } : {}),
    },
  }
}

function usageWorker(options: SystemOptions, built: BuiltSystem): V4WorkerOptions {
  const batch = { maxBatchSize: 100, maxBatchTimeout: options.queueBatchSeconds ?? 0.5, maxRetries: 100 }
  const shared = SHARED_SECRETS.flatMap((name) => {
    const value = options.secrets?.[name]
    return value === undefined ? [] : [[name, value]]
  })
  return {
    name: USAGE,
    ...COMPATIBILITY,
    ...modulesOf([{ name: 'worker.mjs', code: built.usage }]),
    unsafeDirectSockets: [{ host: HOST, port: 0 }],
    bindings: {
      ENVIRONMENT: 'local',
      ALLOW_PRIVATE_ENDPOINTS: 'true',
      ...options.vars,
      ...Object.fromEntries(shared),
    },
    durableObjects: {
      TENANT_LIMITER: { className: 'TenantLimiter', scriptName: GATEWAY, useSQLite: true },
      LIVE_UPDATES: { className: 'LiveUpdates', scriptName: GATEWAY, useSQLite: true },
    },
    d1Databases: { DB: 'tidegate' },
    queueProducers: { USAGE: { queueName: QUEUE }, TELEMETRY: { queueName: TELEMETRY_QUEUE } },
    serviceBindings: { CONTROL: { name: GATEWAY, entrypoint: 'Control' } },
    queueConsumers: {
      [QUEUE]: { ...batch, deadLetterQueue: DEAD_QUEUE },
      [DEAD_QUEUE]: batch,
      [TELEMETRY_QUEUE]: batch,
    },
  }
}

function simulatedWorker(built: BuiltSystem): V4WorkerOptions {
  return {
    name: SIMULATED,
    ...COMPATIBILITY,
    ...modulesOf([{ name: 'worker.mjs', code: built.simulated }]),
    unsafeDirectSockets: [{ host: HOST, port: 0 }],
  }
}

async function directUrl(mf: Miniflare, worker: string): Promise<string> {
  return (await mf.unsafeGetDirectURL(worker)).origin
}

/**
 * Resolves when the gateway answers and D1 has its newest schema. Rejects, with everything stopped again, if a Worker
 * does not build or start, the port is taken or the state cannot be read.
 */
export async function startSystem(options: SystemOptions): Promise<RunningSystem> {
  const withUsage = options.usageConsumer !== false
  const withSimulated = options.simulated !== false
  if (options.dashboard !== false) await buildDashboardIfStale()
  const built = options.built ?? (await buildSystem(options.minify ?? false))
  const own = [
    gatewayWorker(options, built),
    ...(withUsage ? [usageWorker(options, built)] : []),
    ...(withSimulated ? [simulatedWorker(built)] : []),
  ]
  const { onLog } = options
  const mf = new Miniflare(
    convertV4MiniflareOptions({
      host: HOST,
      port: 0,
      cf: false,
      telemetry: { enabled: false },
      log: new Log(LogLevel.ERROR),
      logRequests: false,
      resourcePersistencePath: path.resolve(options.stateDir),
      ...(onLog === undefined ? {} : { handleStructuredLogs: onLog }),
      workers: [...own, ...(options.workers ?? [])],
    }),
  )
  try {
    await mf.ready
    await endWorkerdWithThisProcess()
    await migrate(await mf.getD1Database('DB', GATEWAY))
    return {
      url: await directUrl(mf, GATEWAY),
      usageUrl: withUsage ? await directUrl(mf, USAGE) : undefined,
      simulatedUrl: withSimulated ? await directUrl(mf, SIMULATED) : undefined,
      mf,
      async runSchedule(cron) {
        if (withUsage) await (await mf.getWorker(USAGE)).scheduled(cron === undefined ? {} : { cron })
      },
      async dispose() {
        // The gateway commits what happened in groups; the last one is let through.
        await sleep(LAST_GROUP_MS)
        await mf.dispose()
        await endWorkerdWithThisProcess()
      },
    }
  } catch (error) {
    await mf.dispose().catch(() => undefined)
    throw error
  }
}
