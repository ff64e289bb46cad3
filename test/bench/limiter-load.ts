// The limiter object as isolates under load call it, for `npm run bench:ledger`: how often it is called, what it writes, and how many
// messages its events make.
import { TenantLimiter } from '../../durable-objects/tenant-limiter.ts'
import { LIMITS_VERSION, type LimiterPath } from '../../src/core/limits/limits.ts'
import { SwitchBoard } from '../../src/core/switches.ts'
import type { GatewayEnv } from '../../src/env.ts'
import { LeaseHolder } from '../../src/platform/lease-holder.ts'
import { isAdmitted } from '../../src/ports.ts'
import { eventAt } from '../support/ledger-events.ts'
import { node } from '../support/limiter-receiver.ts'

/** How many requests of how many keys come to how many isolates, and how long each lasts. */
export interface LimiterLoad {
  readonly perSecond: number
  readonly isolates: number
  readonly keys: number
  readonly seconds: number
  readonly latencyMs: number
}

/** What came of it. Rows are counted as Cloudflare bills them: an index is a row more, an alarm that is set is one. */
export interface LimiterCost {
  readonly requests: number
  readonly calls: number
  readonly alarms: number
  readonly rows: number
  readonly messages: number
  /** The beginning of each statement that wrote, and how much. */
  readonly byStatement: Readonly<Record<string, number>>
}

/** The limiter, which also tells what it wrote. */
export class MeasuredLimiter extends TenantLimiter {
  readonly #cursors: readonly (readonly [string, SqlStorageCursor<Record<string, SqlStorageValue>>])[]
  #alarms = 0
  #calls = 0
  readonly #set: { alarms: number }

  constructor(ctx: DurableObjectState, env: GatewayEnv) {
    const cursors: (readonly [string, SqlStorageCursor<Record<string, SqlStorageValue>>])[] = []
    const { storage } = ctx
    const { sql } = storage
    const set = { alarms: 0 }
    const exec = sql.exec.bind(sql)
    const setAlarm = storage.setAlarm.bind(storage)
    sql.exec = <T extends Record<string, SqlStorageValue>>(query: string, ...values: unknown[]) => {
      const cursor = exec<T>(query, ...values)
      if (!query.startsWith('SELECT')) cursors.push([query.replaceAll(/\s+/g, ' ').slice(0, 32), cursor])
      return cursor
    }
    storage.setAlarm = (...time: Parameters<typeof setAlarm>) => {
      set.alarms += 1
      return setAlarm(...time)
    }
    super(ctx, env)
    this.#cursors = cursors
    this.#set = set
  }

  override async call(...message: Parameters<TenantLimiter['call']>): ReturnType<TenantLimiter['call']> {
    this.#calls += 1
    return super.call(...message)
  }

  override async alarm(): Promise<void> {
    this.#alarms += 1
    await super.alarm()
  }

  /** Since this object started. */
  async counted(): Promise<Omit<LimiterCost, 'requests' | 'messages'>> {
    const byStatement: Record<string, number> = { 'set alarm': this.#set.alarms }
    for (const [name, { rowsWritten }] of this.#cursors) byStatement[name] = (byStatement[name] ?? 0) + rowsWritten
    const rows = Object.values(byStatement).reduce((sum, count) => sum + count, 0)
    return { rows, calls: this.#calls, alarms: this.#alarms, byStatement }
  }
}

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

/** Puts a limiter under that load, evenly spread over isolates and keys, and waits until they have given back what they had. */
export async function limited(
  limiters: DurableObjectNamespace<MeasuredLimiter>,
  { perSecond, isolates, keys, seconds, latencyMs }: LimiterLoad,
): Promise<LimiterCost> {
  const tenantId = `ten_${perSecond}_${isolates}_${latencyMs}`
  const stub = limiters.get(limiters.idFromName(tenantId))
  const limits = { tokensPerMinute: 1e10, budget: { amountNanoUsd: 1e13, period: 'month' as const } }
  const keyIds = Array.from({ length: keys }, (_, at) => `k${at}`)
  await stub.configure({
    v: LIMITS_VERSION,
    revision: 1,
    timeZone: 'UTC',
    revokedKeyIds: [],
    nodes: [node('tenant', tenantId, limits), ...keyIds.map((id) => node('key', id, limits))],
  })
  const before = await stub.counted()
  const work: Promise<void>[] = []
  const later = (one: Promise<void>): void => void work.push(one)
  const holders = Array.from({ length: isolates }, (_, at) => {
    return new LeaseHolder(tenantId, `isolate-${at}`, {
      send: (message) => stub.call(message),
      nowMs: () => Date.now(),
      sleep,
      onRevoked: () => {},
      switches: new SwitchBoard(),
    })
  })
  const one = async (number: number): Promise<void> => {
    const keyId = keyIds[number % keys] ?? ''
    const holder = holders[Math.floor(((number * 2_654_435_761) % 2 ** 32) / (2 ** 32 / isolates))]
    const path: LimiterPath = { tenantId, teamId: null, keyId, model: 'gpt-4o' }
    const event = eventAt(Date.now(), number, { tenantId, keyId })
    const reserved = { requests: 1, inputTokens: 500, outputTokens: 500, slots: 0, nanoUsd: 5_000_000 }
    const admitted = await holder?.admit(path, reserved, event, later)
    if (admitted === undefined || !isAdmitted(admitted)) throw new Error(JSON.stringify(admitted))
    await sleep(latencyMs)
    admitted.settle({ ...reserved, outputTokens: 200, nanoUsd: 2_000_000 }, event, later)
  }
  const requests: Promise<void>[] = []
  const begunMs = Date.now()
  for (let number = 0; number < perSecond * seconds; number++) {
    const waitMs = begunMs + (number * 1000) / perSecond - Date.now()
    if (waitMs > 1) await sleep(waitMs)
    requests.push(one(number))
  }
  await Promise.all(requests)
  for (let done = -1; done < work.length;) {
    done = work.length
    await Promise.all(work)
  }
  await sleep(2_500)
  const { unconfirmed } = await stub.live()
  const after = await stub.counted()
  const byStatement = Object.entries(after.byStatement).map(([name, rows]) => [
    name,
    rows - (before.byStatement[name] ?? 0),
  ])
  return {
    requests: requests.length,
    rows: after.rows - before.rows,
    calls: after.calls,
    alarms: after.alarms,
    messages: unconfirmed,
    byStatement: Object.fromEntries(byStatement),
  }
}
