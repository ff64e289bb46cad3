// The request path with everything around it in the test's hands: keys, limits, breakers, cache and providers that do what
// they are told and write down what was asked of them. For plain Node and a clock that the test turns; the real parts have
// tests of their own.
import { expect, vi } from 'vitest'
import { Calibration } from '../../src/core/estimate/calibration.ts'
import type { Caller, Route, Target } from '../../src/core/directory.ts'
import type { UpstreamClass } from '../../src/core/failure.ts'
import type { Amounts } from '../../src/core/limits/limits.ts'
import { type RouteTable, routeTable } from '../../src/core/routing/route-table.ts'
import type { LimitState, ToldStandings } from '../../src/core/limits/standing.ts'
import { PriceBook } from '../../src/core/money/price-book.ts'
import { SwitchBoard } from '../../src/core/switches.ts'
import type { UsageEvent } from '../../src/core/money/usage-event.ts'
import { serve } from '../../src/data-plane/serve.ts'
import { credentialPools } from '../../src/platform/credential-pools.ts'
import { targetSpeeds } from '../../src/platform/target-speeds.ts'
import type {
  Beside,
  CachedReply,
  CallPermit,
  CredentialPools,
  Closed,
  KeyProblem,
  Later,
  LeaseInHand,
  OutgoingCall,
  Refusal,
  Reservation,
  Services,
  Speeds,
} from '../../src/ports.ts'
import './late-modules.ts'
import { protocols } from './registries.ts'

/** One call of a provider. */
export interface SentCall extends OutgoingCall {
  readonly target: Target
  readonly signal: AbortSignal
  /** The body as text, whichever form it had. */
  readonly text: string
}

/** One admission, and how it was settled. */
export interface Admitted {
  /** Whose limits had a say besides the tenant's. */
  readonly beside: Beside | null
  readonly amounts: Amounts
  readonly settled: { readonly actual: Amounts; readonly event: UsageEvent }[]
}

/** One permit, and what its target's breaker heard first; `withdrawn` for nothing about the target. */
export interface Permitted {
  readonly targetId: string
  readonly heard: (UpstreamClass | null | 'withdrawn')[]
}

export interface PathWorld {
  caller: Caller | KeyProblem
  table: RouteTable
  /** Refuses an admission by its number from 1; null admits it. */
  refusal: (number: number) => Refusal | null
  limitsMoney: boolean
  limitsTokens: boolean
  /** Whether a reservation gets more in mid-stream. */
  mayExtend: (more: Amounts) => boolean | Promise<boolean>
  /** How much money an admission gets; all that is asked for unless a test says otherwise. */
  grantNanoUsd: (wanted: number, least: number | undefined) => number
  readonly speeds: Speeds
  readonly credentials: CredentialPools
  /** How the caller's limits stand. */
  standings: ToldStandings | null
  /** What the limiter says of the limits on a path, those beside it, and what is in hand. */
  limits: readonly LimitState[] | 'unavailable'
  limitsBeside: readonly LimitState[] | 'unavailable' | ((beside: Beside) => readonly LimitState[])
  inHand: LeaseInHand | null
  /** Why what runs has to end. */
  mustEnd: 'slot-lost' | 'revoked' | 'cancelled' | null
  readonly calibration: Calibration
  readonly switches: SwitchBoard
  prices: PriceBook
  mayRetry: (target: Target) => boolean
  permit: (target: Target, isLast: boolean) => Closed | null
  /** Targets whose providers said that they have next to nothing left. */
  readonly short: Set<string>
  /** What a provider does. */
  upstream: (call: SentCall) => Response | Promise<Response>
  /** Called with the name of each step as it happens. */
  onStep: (step: string) => void
  readonly steps: string[]
  readonly calls: SentCall[]
  readonly admitted: Admitted[]
  /** Admissions of mirrored requests, which a test may refuse. */
  readonly shadows: (Admitted & { readonly budgetOf: string | null })[]
  shadowRefusal: Refusal | null
  /** What chance says. */
  draw: number
  readonly permits: Permitted[]
  readonly recorded: UsageEvent[]
  readonly cache: Map<string, CachedReply>
  readonly waits: number[]
  /** Serves a chat request; time passes as needed until the answer begins. */
  ask(body: object | string, init?: { headers?: Record<string, string>; signal?: AbortSignal }): Promise<Response>
  /** Has something else served; time passes as needed until the answer begins. */
  serve(run: (services: Services, later: Later) => Promise<Response>): Promise<Response>
  /** Lets everything in the background end; time passes as needed. Throws when it doesn't, or fails. */
  finish(): Promise<void>
}

const MESSAGES = [{ role: 'user', content: 'Hello?' }]

/** A question, asked both ways. */
export const WAYS = [
  ['whole', { model: 'asked', messages: MESSAGES }],
  ['streamed', { model: 'asked', messages: MESSAGES, stream: true }],
] as const

const CALLER: Caller = {
  tenantId: 'tenant',
  teamId: 'team',
  keyId: 'key',
  costCenter: null,
  tags: [],
  allowedModels: [],
  cache: { mode: 'off', ttlSeconds: 600 },
}

/** A world with one route, `asked`, to these targets. Fake timers must be on, `Date` among them. */
export function pathWorld(targets: readonly Target[], route: Partial<Route> = {}): PathWorld {
  const background: Promise<void>[] = []
  const ids = targets.map(({ id }) => id)
  const world: PathWorld = {
    caller: CALLER,
    table: routeTable({
      revision: 1,
      targets: Object.fromEntries(targets.map((target) => [target.id, target])),
      routes: [{ id: 'route', model: 'asked', tenantId: null, targets: ids, allowedGaps: [], ...route }],
    }),
    refusal: () => null,
    limitsMoney: false,
    limitsTokens: false,
    mayExtend: () => true,
    grantNanoUsd: (wanted) => wanted,
    standings: null,
    limits: 'unavailable',
    limitsBeside: 'unavailable',
    inHand: null,
    speeds: targetSpeeds({ nowMs: () => Date.now(), draw: () => 0.5, log: { warn: () => undefined } }),
    credentials: credentialPools(() => Date.now(), { warn: () => undefined }),
    mustEnd: null,
    calibration: new Calibration(),
    switches: new SwitchBoard(),
    prices: new PriceBook(),
    mayRetry: () => true,
    permit: () => null,
    short: new Set(),
    upstream: () => Promise.reject(new Error('nobody there')),
    onStep: () => undefined,
    steps: [],
    calls: [],
    admitted: [],
    shadows: [],
    shadowRefusal: null,
    draw: 0.5,
    permits: [],
    recorded: [],
    cache: new Map(),
    waits: [],
    async ask(body, { headers = {}, signal } = {}) {
      const text = typeof body === 'string' ? body : JSON.stringify(body)
      const request = new Request('https://gateway.test/v1/chat/completions', {
        method: 'POST',
        headers: {
          authorization: 'Bearer tg_test_of_the_client',
          'content-type': 'application/json',
          'content-length': String(Buffer.byteLength(text)),
          ...headers,
        },
        body: text,
        ...(signal === undefined ? {} : { signal }),
      })
      return passing(serve(request, protocols.chat, servicesOf(world), (work) => void background.push(work)))
    },
    serve: (run) => passing(run(servicesOf(world), (work) => void background.push(work))),
    async finish() {
      for (let at = 0; at < background.length; at += 1) await passing(background[at] ?? Promise.resolve())
    },
  }
  return world
}

/** The same world with a reply cache. */
export function caching(world: PathWorld): PathWorld {
  world.caller = { ...callerOf(world), cache: { mode: 'all', ttlSeconds: 60 } }
  return world
}

/** Who calls. */
export function callerOf(world: PathWorld): Caller {
  if (typeof world.caller === 'string') throw new Error('nobody calls')
  return world.caller
}

/** The answer's text, and everything after it settled. */
export async function ended(world: PathWorld, response: Response): Promise<string> {
  const text = response.text().catch(() => 'broken off')
  await world.finish()
  return text
}

/** Turns the clock over to the test; undone by `vi.useRealTimers`. */
export function holdTime(): void {
  vi.useFakeTimers({
    now: 1_760_000_000_000,
    toFake: ['setTimeout', 'clearTimeout', 'setInterval', 'clearInterval', 'Date'],
  })
}

export function servicesOf(world: PathWorld): Services {
  let id = 0
  const step = async (name: string): Promise<void> => {
    world.steps.push(name)
    world.onStep(name)
    await turn()
  }
  return {
    directory: {
      caller: () => step('authenticate').then(() => world.caller),
      routes: () => step('routes').then(() => world.table),
    },
    limiter: {
      admit: (_path, wanted, _template, _later, least, beside = null) =>
        step('admit').then(() =>
          admission(world, { ...wanted, nanoUsd: world.grantNanoUsd(wanted.nanoUsd, least ?? undefined) }, beside),
        ),
      admitShadow: async ({ budgetOf, amounts, beside }) => shadowAdmission(world, amounts, beside, budgetOf),
      record: (event) => void world.recorded.push(event),
      limits: async () => world.limits,
      limitsBeside: async (_tenant, _model, beside) =>
        typeof world.limitsBeside === 'function' ? world.limitsBeside(beside) : world.limitsBeside,
      inHand: () => world.inHand,
      isRevoked: () => world.mustEnd === 'revoked',
    },
    breakers: {
      permit: (target, isLast = false) => step('permit').then(() => permission(world, target, isLast)),
      mayRetry: (target) => world.mayRetry(target),
      inFlight: () => 0,
      standing: () => ({ state: 'closed', retryAfterMs: null }),
    },
    speeds: world.speeds,
    credentials: world.credentials,
    headroom: {
      shortage: ({ id }) => (world.short.has(id) ? { unit: 'requests', left: 0, resetsAtMs: Infinity } : null),
      sent: () => undefined,
      note: () => undefined,
    },
    replies: {
      get: (key) => step('recall').then(() => world.cache.get(key) ?? null),
      async put(key, reply) {
        world.cache.set(key, reply)
      },
    },
    upstream: {
      async call(target, call, _dialect, signal) {
        const text = typeof call.body === 'string' ? call.body : new TextDecoder().decode(call.body)
        const sent: SentCall = { ...call, target, signal, text }
        world.calls.push(sent)
        await step('call')
        signal.throwIfAborted()
        return world.upstream(sent)
      },
    },
    calibration: world.calibration,
    switches: world.switches,
    prices: world.prices,
    log: { warn: () => undefined },
    nowMs: () => Date.now(),
    draw: () => world.draw,
    newId: () => `id-${(id += 1)}`,
    async sleep(ms) {
      world.waits.push(ms)
      await step('sleep')
      await new Promise((resolve) => setTimeout(resolve, ms))
    },
    byteChannel: () => new TransformStream(undefined, { highWaterMark: 1 }, { highWaterMark: 0 }),
    digest: async (text) => text,
  }
}

function admission(world: PathWorld, amounts: Amounts, beside: Beside | null): Reservation | Refusal {
  const number = world.steps.filter((step) => step === 'admit').length
  const refusal = world.refusal(number)
  if (refusal !== null) return refusal
  const admitted: Admitted = { amounts, beside, settled: [] }
  world.admitted.push(admitted)
  return reservation(world, admitted)
}

function shadowAdmission(
  world: PathWorld,
  amounts: Amounts,
  beside: Beside | null,
  budgetOf: string | null,
): Reservation | Refusal {
  if (world.shadowRefusal !== null) return world.shadowRefusal
  const admitted = { amounts, beside, budgetOf, settled: [] }
  world.shadows.push(admitted)
  return reservation(world, admitted)
}

function reservation(world: PathWorld, { amounts, settled }: Admitted): Reservation {
  return {
    amounts,
    limitsMoney: world.limitsMoney,
    limitsTokens: world.limitsTokens,
    settle: (actual, event) => void settled.push({ actual, event }),
    keepAliveMs: 1_000,
    keepAlive: () => undefined,
    extend: (more) => world.mayExtend(more),
    standings: () => world.standings,
    hasLostSlot: () => world.mustEnd === 'slot-lost',
    isRevoked: () => world.mustEnd === 'revoked',
    isCancelled: () => world.mustEnd === 'cancelled',
  }
}

function permission(world: PathWorld, target: Target, isLast: boolean): CallPermit | Closed {
  const closed = world.permit(target, isLast)
  if (closed !== null) return closed
  const permitted: Permitted = { targetId: target.id, heard: [] }
  world.permits.push(permitted)
  return {
    isProbe: false,
    done: (failure) => void permitted.heard.push(failure),
    withdraw: () => void permitted.heard.push('withdrawn'),
  }
}

/** Everything that can happen without time passing has happened. */
async function turn(): Promise<void> {
  for (let count = 0; count < 4; count += 1) await new Promise((resolve) => setImmediate(resolve))
}

const STEP_MS = 50
const PASSING_MS_MAX = 600_000

/** Lets time pass until `work` is settled. */
export async function passing<T>(work: Promise<T>): Promise<T> {
  let isSettled = false
  const settle = (): void => {
    isSettled = true
  }
  work.then(settle, settle)
  for (let ms = 0; ; ms += STEP_MS) {
    await turn()
    if (isSettled) return work
    if (ms > PASSING_MS_MAX) throw new Error('not settled within ten minutes of virtual time')
    await vi.advanceTimersByTimeAsync(STEP_MS)
  }
}

/** What holds after any request whatever happened: everything taken was given back once, and the attempts are in order. */
export function expectSettled(world: PathWorld, isHedged = false): readonly UsageEvent[] {
  for (const { settled } of world.admitted) expect(settled).toHaveLength(1)
  for (const { heard } of world.permits) expect(heard).toHaveLength(1)
  const events = world.admitted.flatMap(({ settled }) => settled.map(({ event }) => event))
  expect(events.map(({ attempt }) => attempt)).toEqual(events.map((_, index) => index + 1))
  expect(events.length).toBeLessThanOrEqual(6)
  expect([...events, ...world.recorded].filter(({ isFinal }) => isFinal).length).toBeLessThanOrEqual(1)
  // Of attempts beside each other, any may be the one that serves.
  if (!isHedged) for (const event of events.slice(0, -1)) expect(event.isFinal).toBe(false)
  expect(vi.getTimerCount()).toBe(0)
  return events
}
