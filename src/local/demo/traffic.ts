// The demo's requests as a gateway would have told of them: thirty days with the rhythm of days and weeks, a little more
// every day, with cache hits, errors, clients that left, and an afternoon on which a provider was away. Pure: the same seed and
// instant give the same events. Times in epoch ms, money in nano-USD.
import { costNanoUsd, type Price } from '../../core/money/price.ts'
import { NO_USAGE, type Usage } from '../../core/money/usage.ts'
import { USAGE_EVENT_VERSION, type UsageEvent } from '../../core/money/usage-event.ts'
import { DEMO_ROUTES, DEMO_TARGETS, type DemoKey, type DemoTarget, type DemoTenant } from './cast.ts'

const HOUR_MS = 3_600_000
const DAY_MS = 24 * HOUR_MS
export const DEMO_DAYS = 30
/** Begins so many days before the present, and lasts for three hours. */
const INCIDENT = { daysAgo: 9, hours: 3, target: 'sim-claude', failing: 0.7 } as const
/** A key that ran in a loop for an hour. */
export const BURST = { daysAgo: 5, hour: 15, key: 'notebook', requests: 60 } as const
const GROWTH_PER_DAY = 0.012
const SHARES = { cacheHit: 0.09, failing: 0.02, error: 0.012, left: 0.015 } as const

/** What the admin API called things. */
export interface DemoIds {
  readonly tenantId: string
  /** By the key's name. */
  readonly keys: ReadonlyMap<string, { readonly keyId: string; readonly teamId: string; readonly spentOn: DemoTarget }>
  /** By the requested model. */
  readonly routes: ReadonlyMap<string, string>
  readonly prices: ReadonlyMap<DemoTarget, { readonly price: Price; readonly priceVersion: string }>
}

type Draw = () => number

/** Numbers from 0 to less than 1, the same for the same seed (Mulberry32). */
export function drawsFrom(seed: number): Draw {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

/** A tenant's events up to `nowMs`, in the order of time. */
export function demoTraffic(tenant: DemoTenant, ids: DemoIds, seed: number, nowMs: number): UsageEvent[] {
  const draw = drawsFrom(seed)
  const keys = tenant.teams.flatMap((team) => team.keys)
  const events: UsageEvent[] = []
  const firstMs = Math.floor(nowMs / HOUR_MS) * HOUR_MS - DEMO_DAYS * DAY_MS
  for (let hourMs = firstMs; hourMs < nowMs; hourMs += HOUR_MS) {
    const day = Math.floor((hourMs - firstMs) / DAY_MS)
    const mean = tenant.perDay * hourShare(tenant, hourMs) * (1 + GROWTH_PER_DAY * day)
    const count = Math.floor(mean + draw())
    if (hourMs === burstMs(nowMs)) events.push(...burst(keys, hourMs, { nowMs, ids }, draw))
    for (const at of Array.from({ length: count }, () => hourMs + Math.floor(draw() * HOUR_MS)).toSorted()) {
      const made = request({ key: chosen(keys, draw), startedAtMs: at, nowMs, ids }, draw)
      // What hasn't ended by now isn't told of.
      if (at + Math.max(...made.map(({ latencyMs }) => latencyMs)) < nowMs) events.push(...made)
    }
  }
  return events
}

/** When the hour of the burst begins. */
export function burstMs(nowMs: number): number {
  return Math.floor(nowMs / DAY_MS) * DAY_MS - BURST.daysAgo * DAY_MS + BURST.hour * HOUR_MS
}

function burst(
  keys: readonly DemoKey[],
  hourMs: number,
  asked: Pick<Asked, 'nowMs' | 'ids'>,
  draw: Draw,
): UsageEvent[] {
  const key = keys.find(({ name }) => name === BURST.key)
  if (key === undefined) return []
  const starts = Array.from(
    { length: BURST.requests },
    (_, at) => hourMs + Math.floor(((at + draw()) / BURST.requests) * HOUR_MS),
  )
  return starts.flatMap((startedAtMs) => request({ key, startedAtMs, ...asked }, draw))
}

/** What of a weekday's requests falls into this hour: a bell around the peak, with a floor for the night. */
function hourShare({ peakHour, weekend }: DemoTenant, hourMs: number): number {
  const hour = new Date(hourMs).getUTCHours()
  const away = Math.min(Math.abs(hour - peakHour), 24 - Math.abs(hour - peakHour))
  const share = (Math.exp(-((away / 4.5) ** 2)) + 0.06) / 9.4
  const weekday = new Date(hourMs).getUTCDay()
  return weekday === 0 || weekday === 6 ? share * weekend : share
}

function chosen<One extends { readonly share: number }>(all: readonly One[], draw: Draw): One {
  let left = draw() * all.reduce((sum, one) => sum + one.share, 0)
  const found = all.find((one) => (left -= one.share) < 0) ?? all.at(-1)
  if (found === undefined) throw new Error('nobody to choose from')
  return found
}

interface Asked {
  readonly key: DemoKey
  readonly startedAtMs: number
  readonly nowMs: number
  readonly ids: DemoIds
}

/** The events of one request: one, or two where the first target failed. */
function request(asked: Asked, draw: Draw): UsageEvent[] {
  const { key, startedAtMs, nowMs } = asked
  const route = DEMO_ROUTES.find(({ model }) => model === key.model)
  if (route === undefined) throw new Error(`no route for ${key.model}`)
  const { target, fallback } = chosen(route.targets, draw)
  const blank = template(asked, draw)
  if (key.isStreamed && draw() < SHARES.cacheHit) return [hitOf(blank, asked, target, draw)]
  const incidentMs = Math.floor(nowMs / DAY_MS) * DAY_MS - INCIDENT.daysAgo * DAY_MS + 13 * HOUR_MS
  const isIncident =
    target === INCIDENT.target && startedAtMs >= incidentMs && startedAtMs < incidentMs + INCIDENT.hours * HOUR_MS
  if (draw() < (isIncident ? INCIDENT.failing : SHARES.failing)) {
    const failed = failureOf(blank, target, 503, 180 + Math.floor(draw() * 900))
    const second = answerOf({ ...blank, attempt: 2, afterMs: failed.latencyMs }, asked, fallback, draw)
    return [
      { ...failed, isFinal: false },
      { ...second, plan: `${target}, ${fallback}` },
    ]
  }
  if (draw() < SHARES.error) return [failureOf(blank, target, draw() < 0.5 ? 429 : 400, 90 + Math.floor(draw() * 200))]
  const answer = answerOf(blank, asked, target, draw)
  return [draw() < SHARES.left ? { ...answer, ending: 'client-left', isEstimated: true } : answer]
}

function template({ key, startedAtMs, ids }: Asked, draw: Draw): UsageEvent {
  const own = ids.keys.get(key.name)
  const route = ids.routes.get(key.model)
  if (own === undefined || route === undefined) throw new Error(`no id for ${key.name} or ${key.model}`)
  return {
    ...{ v: USAGE_EVENT_VERSION, kind: 'cost', requestId: requestId(startedAtMs, draw), attempt: 1, startedAtMs },
    ...{ tenantId: ids.tenantId, teamId: own.teamId, keyId: own.keyId, costCenter: key.costCenter },
    ...{ endUser: `user-${Math.floor(draw() ** 2 * 140)}`, tags: key.tags, traceId: null, protocol: 'chat' },
    ...{ streamed: key.isStreamed, requestedModel: key.model, route, targetId: null, provider: null, model: null },
    ...{ status: 200, ending: 'finished', failure: null, cache: key.isStreamed ? 'miss' : 'off', isFinal: true },
    ...{ usage: NO_USAGE, isEstimated: false, costNanoUsd: 0, savedNanoUsd: 0, priceVersion: null, isUnpriced: false },
    ...{ latencyMs: 0, ttftMs: null, credential: null, plan: null, parentSpan: null, afterMs: 0 },
  }
}

/** A UUIDv7 of that instant. */
function requestId(ms: number, draw: Draw): string {
  const hex = (digits: number): string =>
    Math.floor(draw() * 16 ** digits)
      .toString(16)
      .padStart(digits, '0')
  const time = ms.toString(16).padStart(12, '0')
  return `${time.slice(0, 8)}-${time.slice(8)}-7${hex(3)}-8${hex(3)}-${hex(6)}${hex(6)}`
}

function usageOf({ tokens: [input, output] }: DemoKey, draw: Draw): Usage {
  const prompt = Math.max(8, Math.round(input * (0.4 + 1.2 * draw())))
  const cacheRead = draw() < 0.3 ? Math.round(prompt * 0.6) : 0
  const answer = Math.max(1, Math.round(output * (0.3 + 1.4 * draw())))
  return { ...NO_USAGE, input: prompt - cacheRead, cacheRead, output: answer }
}

function answerOf(blank: UsageEvent, { key, ids }: Asked, name: DemoTarget, draw: Draw): UsageEvent {
  const { provider, model, ttftMs, perTokenMs } = DEMO_TARGETS[name]
  const usage = usageOf(key, draw)
  const first = Math.round((blank.afterMs ?? 0) + ttftMs * (0.6 + draw() ** 3 * 3))
  return {
    ...blank,
    ...{ targetId: name, provider, model, usage, ...chargeOf(usage, name, ids) },
    ttftMs: key.isStreamed ? first : null,
    latencyMs: first + Math.round(usage.output * perTokenMs * (0.8 + 0.5 * draw())),
  }
}

function chargeOf(usage: Usage, name: DemoTarget, { prices }: DemoIds) {
  const found = prices.get(name)
  if (found === undefined) throw new Error(`no price of ${name}`)
  return { costNanoUsd: costNanoUsd(usage, found.price), priceVersion: found.priceVersion }
}

/** From the cache: nothing is charged, and what the answer once cost is saved. */
function hitOf(blank: UsageEvent, asked: Asked, name: DemoTarget, draw: Draw): UsageEvent {
  const { costNanoUsd: saved } = chargeOf(usageOf(asked.key, draw), name, asked.ids)
  const { model, provider } = DEMO_TARGETS[name]
  const ms = 6 + Math.floor(draw() * 30)
  return { ...blank, attempt: 0, provider, model, cache: 'hit', savedNanoUsd: saved, latencyMs: ms, ttftMs: ms }
}

function failureOf(blank: UsageEvent, name: DemoTarget, status: number, latencyMs: number): UsageEvent {
  const { provider, model } = DEMO_TARGETS[name]
  const failure = status === 503 ? 'unavailable' : status === 429 ? 'rate-limited' : 'rejected'
  return { ...blank, targetId: name, provider, model, status, ending: 'failed', failure, latencyMs }
}
