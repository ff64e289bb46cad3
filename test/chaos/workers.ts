// What runs in which process of this run, as configurations of workerd: the providers, whom nothing befalls; the gateways; and the
// limiter objects with queue, consumer and D1, which die together.
import { convertV4MiniflareOptions, Log, LogLevel, Miniflare, type V4WorkerOptions } from 'miniflare'
import { type BuiltModule, GATEWAY_MAIN, bundleGateway, bundleWorker } from '../../src/local/bundle.ts'
import { TEST_ADMIN_TOKEN, TEST_KEY_PEPPER } from '../support/system.ts'

const COMPATIBILITY = { compatibilityDate: '2026-10-23', compatibilityFlags: ['enable_request_signal'] }
const HOST = '127.0.0.1'
const QUEUE = 'tidegate-usage'
const DEAD_QUEUE = 'tidegate-usage-dead'
const SECRETS = { SIMULATED_API_KEY: 'simulated', KEY_PEPPER: TEST_KEY_PEPPER }
const LOCAL = { ENVIRONMENT: 'local', ALLOW_PRIVATE_ENDPOINTS: 'true' }

/** Long enough to be renewed on a busy machine, short enough to be waited for. */
export const LEASE_TTL_MS = 3_000

export interface Built {
  readonly gateway: readonly BuiltModule[]
  readonly objects: string
  readonly consumer: string
  readonly providers: string
}

export async function build(): Promise<Built> {
  const [gateway, objects, consumer, providers] = await Promise.all([
    bundleGateway(),
    bundleWorker('test/chaos/objects-worker.ts'),
    bundleWorker('test/chaos/consumer-worker.ts'),
    bundleWorker('src/simulated/worker.ts'),
  ])
  return { gateway, objects, consumer, providers }
}

/** Whatever the rest needs to reach each other. */
export interface Addresses {
  readonly controlUrl: string
  readonly providersUrl: string
}

export function start(folder: string, workers: V4WorkerOptions[]): Miniflare {
  return new Miniflare(
    convertV4MiniflareOptions({
      host: HOST,
      port: 0,
      cf: false,
      telemetry: { enabled: false },
      log: new Log(LogLevel.NONE),
      logRequests: false,
      handleStructuredLogs: () => undefined,
      resourcePersistencePath: folder,
      workers,
    }),
  )
}

export function providersWorker(built: Built): V4WorkerOptions {
  return { name: 'providers', ...COMPATIBILITY, ...moduleOf(built.providers), unsafeDirectSockets: [SOCKET] }
}

/** Admin API, limiter objects, queue, consumer and D1. */
export function centreWorkers(built: Built, { controlUrl, providersUrl }: Addresses): V4WorkerOptions[] {
  const vars = { ...LOCAL, LEASE_TTL_MS: String(LEASE_TTL_MS), CONTROL_URL: controlUrl }
  const limiter = { className: 'TenantLimiter', useSQLite: true }
  const side = { className: 'SideLimiter', useSQLite: true }
  const stores = { kvNamespaces: KV, d1Databases: { DB: 'tidegate' }, queueProducers: { USAGE: { queueName: QUEUE } } }
  const batch = { maxBatchSize: 20, maxBatchTimeout: 0.2, maxRetries: 100 }
  return [
    {
      name: 'tidegate',
      ...COMPATIBILITY,
      modules: built.gateway.map(asModule),
      unsafeDirectSockets: [SOCKET],
      bindings: { ...vars, ...SECRETS, ADMIN_TOKEN: TEST_ADMIN_TOKEN },
      durableObjects: {
        ...OWN_OBJECTS,
        TENANT_LIMITER: { ...limiter, scriptName: 'objects' },
        SIDE_LIMITER: { ...side, scriptName: 'objects' },
      },
      serviceBindings: { SIMULATED: external(providersUrl) },
      ...stores,
    },
    {
      name: 'objects',
      ...COMPATIBILITY,
      ...moduleOf(built.objects),
      unsafeDirectSockets: [SOCKET],
      bindings: vars,
      durableObjects: { TENANT_LIMITER: limiter, SIDE_LIMITER: side },
      ...stores,
    },
    {
      name: 'consumer',
      ...COMPATIBILITY,
      ...moduleOf(built.consumer),
      bindings: { ...vars, ADMIN_TOKEN: TEST_ADMIN_TOKEN },
      durableObjects: { TENANT_LIMITER: { ...limiter, scriptName: 'objects' } },
      serviceBindings: { CONTROL: { name: 'tidegate', entrypoint: 'Control' } },
      ...stores,
      queueConsumers: { [QUEUE]: { ...batch, deadLetterQueue: DEAD_QUEUE }, [DEAD_QUEUE]: batch },
    },
  ]
}

/** In a gateway's process: the gateway, whose directory may be away, and in place of the limiter objects the way to them. */
export function gatewayWorkers(
  built: Built,
  serial: number,
  { controlUrl, providersUrl }: Addresses,
): V4WorkerOptions[] {
  const bindings = { ...LOCAL, ...SECRETS, LEASE_TTL_MS: String(LEASE_TTL_MS), CONTROL_URL: controlUrl }
  return [
    {
      name: 'gateway',
      ...COMPATIBILITY,
      modules: [{ type: 'ESModule', path: 'entry.js', contents: ENTRY }, ...built.gateway.map(asModule)],
      unsafeDirectSockets: [SOCKET],
      bindings,
      durableObjects: {
        ...OWN_OBJECTS,
        TENANT_LIMITER: { className: 'LimiterProxy', scriptName: 'way', useSQLite: true },
        SIDE_LIMITER: { className: 'SideProxy', scriptName: 'way', useSQLite: true },
      },
      serviceBindings: { SIMULATED: external(providersUrl) },
      kvNamespaces: KV,
      d1Databases: { DB: 'tidegate' },
      queueProducers: { USAGE: { queueName: 'unused' } },
    },
    {
      name: 'way',
      ...COMPATIBILITY,
      ...moduleOf(WAY),
      bindings: { DOOR_URL: `${controlUrl}/limiter/${serial}` },
      durableObjects: {
        LIMITER_PROXY: { className: 'LimiterProxy', useSQLite: true },
        SIDE_PROXY: { className: 'SideProxy', useSQLite: true },
      },
    },
  ]
}

const SOCKET = { host: HOST, port: 0 }
const KV = { DIRECTORY: 'directory', REPLIES: 'replies' }
const OWN_OBJECTS = {
  TARGET_BREAKER: { className: 'TargetBreaker', useSQLite: true },
  TASK_BATCHER: { className: 'TaskBatcher', useSQLite: true },
}

/** The gateway with a directory that asks the control whether it is there. */
const ENTRY = `import gateway from './${GATEWAY_MAIN}'
export * from './${GATEWAY_MAIN}'
let faulty
const faultyOf = (env) => faulty ??= { ...env, DIRECTORY: new Proxy(env.DIRECTORY, {
  get: (kv, name) => name !== 'get' ? Reflect.get(kv, name) : async (...args) => {
    if (await (await fetch(env.CONTROL_URL + '/place/kv')).text() === 'fail') throw new Error('KV GET failed: 503')
    return kv.get(...args)
  },
}) }
export default { fetch: (request, env, context) => gateway.fetch(request, faultyOf(env), context) }`

const WAY = `import { DurableObject } from 'cloudflare:workers'
class Proxied extends DurableObject {
  async ask(kind, method, ...args) {
    const body = JSON.stringify({ kind, name: this.ctx.id.name, method, args })
    const response = await fetch(this.env.DOOR_URL, { method: 'POST', body })
    if (!response.ok) throw new Error('the limiter answered ' + response.status)
    return (await response.json()).result
  }
}
export class LimiterProxy extends Proxied {
  call(message) { return this.ask('tenant', 'call', message) }
  limits(path) { return this.ask('tenant', 'limits', path) }
}
export class SideProxy extends Proxied {
  call(message) { return this.ask('side', 'call', message) }
  limits(path) { return this.ask('side', 'limits', path) }
}
export default { fetch: () => new Response(null, { status: 404 }) }`

function external(url: string) {
  return { external: { address: new URL(url).host, http: {} } }
}

function asModule({ name, code }: BuiltModule) {
  return { type: 'ESModule', path: name, contents: code } as const
}

function moduleOf(code: string) {
  return { modules: [{ type: 'ESModule', path: 'worker.mjs', contents: code } as const] }
}
