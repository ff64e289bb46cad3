// Several gateway instances, each in a workerd process of its own, that share the limiter objects of one system, as isolates
// in many places do. The gateways' code, the objects and the providers are the real ones; between processes there is no
// Durable Object binding, so a call of an object travels over HTTP. An instance can be killed; the objects live on.
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { convertV4MiniflareOptions, Log, LogLevel, Miniflare, type V4WorkerOptions } from 'miniflare'
import { GATEWAY_MAIN, bundleGateway } from '../../src/local/bundle.ts'
import { endWorkerdWithThisProcess } from '../../src/local/reaper.ts'
import { isRunning, workerdPids } from './memory.ts'
import { TEST_KEY_PEPPER, type TestSystem, startTestSystem } from './system.ts'

const COMPATIBILITY = { compatibilityDate: '2026-10-23', compatibilityFlags: ['enable_request_signal'] }
const HOST = '127.0.0.1'
const DOOR = 'door'
const GATEWAY = 'gateway'
const OBJECTS = 'objects'

/** In the system's own workerd: takes calls of its limiter objects from other processes. */
const DOOR_SCRIPT = `export default {
  async fetch(request, { TENANT_LIMITER }) {
    const { name, method, args } = await request.json()
    const stub = TENANT_LIMITER.get(TENANT_LIMITER.idFromName(name))
    return Response.json({ result: await stub[method](...args) })
  },
}`

/** In an instance's workerd, in place of the limiter object: sends its calls to the door. */
const PROXY_SCRIPT = `import { DurableObject } from 'cloudflare:workers'
export class LimiterProxy extends DurableObject {
  call(message) { return this.#ask(message.tenantId, 'call', message) }
  limits(path) { return this.#ask(path.tenantId, 'limits', path) }
  async #ask(name, method, ...args) {
    const response = await fetch(this.env.DOOR_URL, { method: 'POST', body: JSON.stringify({ name, method, args }) })
    if (!response.ok) throw new Error('the door answered ' + response.status)
    return (await response.json()).result
  }
}
export default { fetch: () => new Response(null, { status: 404 }) }`

/** One gateway instance. */
export interface Instance {
  readonly url: string
  /** SIGKILL for its workerd; resolves when that is gone. */
  kill(): Promise<void>
}

export interface SharedLimiter {
  /** Holds the objects, the providers and the admin API. */
  readonly system: TestSystem
  /** Starts a gateway that knows what the system's directory says at this moment. */
  startInstance(): Promise<Instance>
  dispose(): Promise<void>
}

/** Starts the system that instances share. */
export async function startSharedLimiter(vars: Readonly<Record<string, string>>): Promise<SharedLimiter> {
  const door: V4WorkerOptions = {
    name: DOOR,
    ...COMPATIBILITY,
    modules: [{ type: 'ESModule', path: 'door.mjs', contents: DOOR_SCRIPT }],
    unsafeDirectSockets: [{ host: HOST, port: 0 }],
    durableObjects: { TENANT_LIMITER: { className: 'TenantLimiter', scriptName: 'tidegate', useSQLite: true } },
  }
  const system = await startTestSystem({ vars, usageConsumer: false, workers: [door] })
  const doorUrl = (await system.mf.unsafeGetDirectURL(DOOR)).origin
  const modules = await bundleGateway({ minify: false })
  const started: Miniflare[] = []
  const folders: string[] = []

  return {
    system,
    async startInstance() {
      const folder = await mkdtemp(path.join(tmpdir(), 'tidegate-instance-'))
      folders.push(folder)
      const before = new Set(workerdPids())
      const mf = new Miniflare(
        convertV4MiniflareOptions({
          host: HOST,
          port: 0,
          cf: false,
          telemetry: { enabled: false },
          log: new Log(LogLevel.ERROR),
          logRequests: false,
          resourcePersistencePath: folder,
          workers: [gatewayOf(modules, vars), proxyOf(doorUrl)],
        }),
      )
      started.push(mf)
      await mf.ready
      await endWorkerdWithThisProcess()
      const pids = workerdPids().filter((pid) => !before.has(pid))
      await copyDirectory(system.mf, mf)
      return {
        url: (await mf.unsafeGetDirectURL(GATEWAY)).origin,
        async kill() {
          for (const pid of pids) process.kill(pid, 'SIGKILL')
          while (pids.some(isRunning)) await new Promise((resolve) => setTimeout(resolve, 20))
        },
      }
    },
    async dispose() {
      for (const mf of started) await mf.dispose().catch(() => undefined)
      await system.dispose()
      for (const folder of folders) await rm(folder, { recursive: true, force: true })
    },
  }
}

function gatewayOf(
  modules: Awaited<ReturnType<typeof bundleGateway>>,
  vars: Readonly<Record<string, string>>,
): V4WorkerOptions {
  const isMain = ({ name }: { readonly name: string }): boolean => name === GATEWAY_MAIN
  const ordered = [...modules.filter(isMain), ...modules.filter((module) => !isMain(module))]
  return {
    name: GATEWAY,
    ...COMPATIBILITY,
    modules: ordered.map(({ name, code }) => ({ type: 'ESModule', path: name, contents: code })),
    unsafeDirectSockets: [{ host: HOST, port: 0 }],
    bindings: {
      ENVIRONMENT: 'local',
      ALLOW_PRIVATE_ENDPOINTS: 'true',
      SIMULATED_API_KEY: 'simulated',
      KEY_PEPPER: TEST_KEY_PEPPER,
      ...vars,
    },
    durableObjects: {
      TENANT_LIMITER: { className: 'LimiterProxy', scriptName: OBJECTS, useSQLite: true },
      TARGET_BREAKER: { className: 'TargetBreaker', useSQLite: true },
      SIDE_LIMITER: { className: 'SideLimiter', useSQLite: true },
      TASK_BATCHER: { className: 'TaskBatcher', useSQLite: true },
    },
    kvNamespaces: { DIRECTORY: 'directory', REPLIES: 'replies' },
    d1Databases: { DB: 'tidegate' },
    queueProducers: { USAGE: { queueName: 'unused' } },
  }
}

function proxyOf(doorUrl: string): V4WorkerOptions {
  return {
    name: OBJECTS,
    ...COMPATIBILITY,
    modules: [{ type: 'ESModule', path: 'objects.mjs', contents: PROXY_SCRIPT }],
    bindings: { DOOR_URL: doorUrl },
    durableObjects: { LIMITER_PROXY: { className: 'LimiterProxy', useSQLite: true } },
  }
}

/** KV is one for all gateways; here each gets a copy. */
async function copyDirectory(from: Miniflare, to: Miniflare): Promise<void> {
  const source = await from.getKVNamespace('DIRECTORY', 'tidegate')
  const copy = await to.getKVNamespace('DIRECTORY', GATEWAY)
  const { keys } = await source.list()
  for (const { name } of keys) {
    const value = await source.get(name)
    if (typeof value === 'string') await copy.put(name, value)
  }
}
