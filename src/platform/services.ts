// The composition root: from a Worker's environment to the services of the data plane. Made once per isolate.
import { uuidv7 } from 'uuidv7'
import type { PriceList } from '../catalog/price-catalogue.ts'
import { Calibration } from '../core/estimate/calibration.ts'
import { late } from '../core/late.ts'
import { PRICE_LIST_NAME } from '../core/directory.ts'
import { HealthBoard } from '../core/health/health-news.ts'
import { PriceBook } from '../core/money/price-book.ts'
import { type LimiterPlace, placeOf } from '../core/limits/limiter-place.ts'
import { type Region, breakerName, regionOf } from '../core/region.ts'
import { SwitchBoard } from '../core/switches.ts'
import type { TaskBatcher } from '../../durable-objects/task-batcher.ts'
import type { GatewayEnv } from '../env.ts'
import type { BodyKeeper, Log, Services } from '../ports.ts'
import { isolateBreakers } from './breakers.ts'
import { credentialPools } from './credential-pools.ts'
import { type EdgeDirectory, kvDirectory } from './directory.ts'
import { isolateHeadroom } from './headroom.ts'
import { hmacHex } from './key-digest.ts'
import { readUnpriced } from './unpriced.ts'
import { leasedLimiter } from './limiter.ts'
import { windowedLog } from './log.ts'
import { type ReplyStore, kvStore, replyCache } from './reply-cache.ts'
import type { HealthDesk } from './target-news.ts'
import { targetSpeeds } from './target-speeds.ts'
import { fetchUpstream } from './upstream.ts'

/** The services, with what the control plane needs of them. */
export interface GatewayServices extends Services {
  readonly directory: EdgeDirectory
  /** Called with every request: the first of them tells where this isolate is, and there it stays. */
  comesFrom(request: Request): void
}

const made = new WeakMap<GatewayEnv, GatewayServices>()

/** The services over `env`: the same ones for the life of the isolate, since leases and breakers live in them. */
export function servicesOf(env: GatewayEnv): GatewayServices {
  const known = made.get(env)
  if (known !== undefined) return known
  const services = makeServices(env)
  made.set(env, services)
  return services
}

function makeServices(env: GatewayEnv): GatewayServices {
  const nowMs = (): number => Date.now()
  const draw = (): number => Math.random()
  const pepper = env.KEY_PEPPER ?? ''
  const log = windowedLog(nowMs, (line) => console.warn(line))
  const switches = new SwitchBoard()
  const prices = new PriceBook(readUnpriced(env, log))
  let region: Region | null = null
  let place: LimiterPlace | null = null
  const health: HealthDesk = { board: new HealthBoard(nowMs()), region: () => region ?? regionOf(null) }
  const directory = kvDirectory(env.DIRECTORY, pepper, nowMs, log, switches, prices, (tenant) => {
    limiter.place(tenant.tenantId, tenant.limiter === 'regional')
  })
  const limiter = leasedLimiter({
    near: () => nearLimiters(env, place),
    object: (tenantId) => env.TENANT_LIMITER.get(env.TENANT_LIMITER.idFromName(tenantId)),
    sendBeside: (name, message) => env.SIDE_LIMITER.get(env.SIDE_LIMITER.idFromName(name)).call(message),
    limitsBeside: (name, path) => env.SIDE_LIMITER.get(env.SIDE_LIMITER.idFromName(name)).limits(path),
    digest: (text) => hmacHex(pepper, text),
    nowMs,
    sleep,
    newId: uuidv7,
    onRevoked: (keyIds) => directory.revoke(keyIds),
    onSecretEnds: (ends) => directory.endSecrets(ends),
    switches,
    health,
    log,
  })
  const sharedTarget = (targetId: string) => {
    const name = breakerName(health.region(), targetId)
    return env.TARGET_BREAKER.get(env.TARGET_BREAKER.idFromName(name))
  }
  return {
    directory,
    comesFrom(request) {
      region ??= regionOf(request.cf?.continent)
      place ??= placeOf({ continent: request.cf?.continent, longitude: request.cf?.longitude })
    },
    limiter,
    breakers: isolateBreakers({
      shared: sharedTarget,
      health,
      nowMs,
      draw,
      sleep,
      log,
    }),
    speeds: targetSpeeds({ nowMs, draw, log, shared: sharedTarget }),
    credentials: credentialPools(nowMs, log, health.board),
    headroom: isolateHeadroom(nowMs),
    calibration: new Calibration(),
    prices,
    priceList: () => readPriceList(env.DIRECTORY, log),
    switches,
    replies: replyCache(replyStore(env, log), { log, sleep }),
    ...bodyKeeper(env),
    upstream: fetchUpstream({ ...env }, log),
    ...(env.TASK_BATCHER === undefined ? {} : { batcher: batcherIn(env.TASK_BATCHER, () => region ?? regionOf(null)) }),
    log,
    nowMs,
    draw,
    newId: uuidv7,
    sleep,
    digest: (text) => hmacHex(pepper, text),
    byteChannel: () => new IdentityTransformStream(),
  }
}

/** Asked for when a target that passes every model on first meets one. Without KV the built-in list counts. */
async function readPriceList(directory: KVNamespace, log: Log): Promise<PriceList | null> {
  try {
    return await directory.get<PriceList>(PRICE_LIST_NAME, { type: 'json', cacheTtl: 60 })
  } catch (error) {
    log.warn('price-list-unavailable', { error: String(error) })
    return null
  }
}

/** Loaded with the first body that is kept. */
function bodyKeeper({ REPLIES: store, BODIES_KEY: key = '' }: GatewayEnv): Pick<Services, 'bodies'> {
  if (key === '') return {}
  const keep: BodyKeeper['keep'] = async (requestId, owner, body, ttlDays) => {
    const { putBody } = await import('../ledger/bodies.ts')
    await putBody(store, key, requestId, owner, body, ttlDays)
  }
  return { bodies: { keep } }
}

function replyStore(env: GatewayEnv, log: Log): () => Promise<ReplyStore> {
  const { UPSTASH_REDIS_REST_URL: url, UPSTASH_REDIS_REST_TOKEN: token } = env
  if (url === undefined || token === undefined) {
    const store = Promise.resolve(kvStore(env.REPLIES))
    return () => store
  }
  const store = late(async () => (await import('./redis-store.ts')).redisStore(url, token))
  return async () => {
    try {
      return store.now() ?? (await store.load())
    } catch (error) {
      log.warn('not-loaded', { part: 'redis-store', error: String(error) })
      throw error
    }
  }
}

/** The way to tenants' limiters at that place. */
function nearLimiters({ REGIONAL_LIMITER: limiters }: GatewayEnv, place: LimiterPlace | null) {
  if (limiters === undefined || place === null) return null
  return (tenantId: string) => limiters.get(limiters.idFromName(`${place}/${tenantId}`), { locationHint: place })
}

/** Where requests of this isolate's region meet. */
function batcherIn(
  batchers: DurableObjectNamespace<TaskBatcher>,
  region: () => Region,
): NonNullable<Services['batcher']> {
  return (tenantId, targetId) => {
    const object = batchers.get(batchers.idFromName(`${region()}/${tenantId}/${targetId}`))
    return { ask: async (batch) => object.ask(batch) }
  }
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, ms)
  })
}
