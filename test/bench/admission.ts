// `npm run bench:admission`: the CPU that authentication, admission and settlement add to a warm request, in this process: the
// functions of the request's path, on leases from the real authority under limits of a tenant, a team and a key, at 1,000
// requests a second of virtual time. Measured in turns with the same loop that does without them; a figure is the median over
// the rounds. What comes after the answers, the group commit, is told apart; the limiter's own work is in neither.
import type { Caller } from '../../src/core/directory.ts'
import { LEASE_TTL_MS, type LimiterCall } from '../../src/core/limits/limits.ts'
import type { UsageEvent } from '../../src/core/money/usage-event.ts'
import { authenticate } from '../../src/data-plane/authenticate.ts'
import { LeaseHolder } from '../../src/platform/lease-holder.ts'
import { type Later, type Reservation, isAdmitted } from '../../src/ports.ts'
import { budget, configOf, node, rate, receiver, slots } from '../support/limiter-receiver.ts'
import { pathWorld, servicesOf } from '../support/path-world.ts'
import { usageEvent } from '../support/usage-events.ts'
import { median } from './statistics.ts'

const ROUNDS = 15
const GROUPS = 400
/** Requests under way at a time, and how many milliseconds they take together. */
const GROUP = 16
const AIM_MICROS = 15
const AMOUNTS = { requests: 1, inputTokens: 900, outputTokens: 300, slots: 1, nanoUsd: 5_000_000 }
const ACTUAL = { ...AMOUNTS, outputTokens: 200, slots: 0, nanoUsd: 4_000_000 }
const KEY = 'tg_live_0123456789_of_the_bench'
const HEADERS = new Headers({ authorization: `Bearer ${KEY}` })
const CALLER: Caller = {
  tenantId: 't',
  teamId: 'team',
  keyId: 'k',
  costCenter: null,
  tags: [],
  allowedModels: [],
  cache: { mode: 'off', ttlSeconds: 60 },
}
const PATH = { tenantId: 't', teamId: 'team', keyId: 'k', model: 'm' }
const LIMITS = [rate('requests', 1e9), rate('tokens', 1e12), slots(1e6), budget(1e15, 'month')]
const NODES = (['tenant', 'team', 'key'] as const).map((scope) =>
  node(scope, scope === 'tenant' ? 't' : scope === 'team' ? 'team' : 'k', { more: LIMITS }),
)

let nowMs = Date.UTC(2026, 4, 4, 12)
let sleepers: { readonly atMs: number; readonly wake: () => void }[] = []
const outbox: (() => void)[] = []
const end = receiver(configOf(NODES), nowMs, LEASE_TTL_MS)
const holder = new LeaseHolder('t', 'holder', {
  nowMs: () => nowMs,
  sleep: (ms) => new Promise((wake) => sleepers.push({ atMs: nowMs + ms, wake })),
  onRevoked: () => undefined,
  send: (message: LimiterCall) =>
    new Promise((resolve) => outbox.push(() => resolve(end.call(structuredClone(message), nowMs)))),
})
const callers = new Map([[KEY, CALLER]])
const services = {
  ...servicesOf(pathWorld([])),
  directory: { caller: (key: string) => callers.get(key) ?? 'unknown', routes: () => Promise.resolve(null) },
}
const later: Later = () => undefined

/** What a request does before its call and after its answer. */
interface Steps {
  readonly begin: (event: UsageEvent) => Promise<Reservation | null>
  readonly end: (reservation: Reservation | null, event: UsageEvent) => void
}

const WITHOUT: Steps = { begin: async () => null, end: () => undefined }
const WITH: Steps = {
  async begin(event) {
    const caller = await authenticate(HEADERS, services)
    if (!caller.ok) throw new Error('the key of the bench is unknown')
    const answer = holder.admit(PATH, AMOUNTS, event, later)
    if (!(answer instanceof Promise)) return answer
    waits += 1
    void answer.then((late) => isAdmitted(late) && late.settle(ACTUAL, event, later))
    return null
  },
  end: (reservation, event) => reservation?.settle(ACTUAL, event, later),
}

const micros = (before: NodeJS.CpuUsage): number => {
  const { user, system } = process.cpuUsage(before)
  return user + system
}

let requests = 0
/** Requests that the lease in hand had not enough for. */
let waits = 0

/** µs of CPU of a group of requests that overlap. */
async function group({ begin, end: finish }: Steps): Promise<number> {
  const events = Array.from({ length: GROUP }, () => usageEvent(`r${(requests += 1)}`))
  const held: (Reservation | null)[] = []
  const before = process.cpuUsage()
  for (const event of events) held.push(await begin(event))
  for (const [at, event] of events.entries()) finish(held[at] ?? null, event)
  return micros(before)
}

/** Time passes, the limiter answers. µs of CPU without its own work. */
async function commit(): Promise<number> {
  nowMs += GROUP
  const before = process.cpuUsage()
  const due = sleepers.filter(({ atMs }) => atMs <= nowMs)
  sleepers = sleepers.filter(({ atMs }) => atMs > nowMs)
  for (const { wake } of due) wake()
  await turn()
  const spent = micros(before)
  for (const answer of outbox.splice(0)) answer()
  const after = process.cpuUsage()
  await turn()
  return spent + micros(after)
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

/** µs a request: on its path, and afterwards. */
async function round(steps: Steps): Promise<{ readonly path: number; readonly after: number }> {
  let path = 0
  let after = 0
  for (let at = 0; at < GROUPS; at++) {
    path += await group(steps)
    after += await commit()
  }
  return { path: path / (GROUPS * GROUP), after: after / (GROUPS * GROUP) }
}

/** Until the lease is as large as the traffic needs. */
async function warmUp(): Promise<void> {
  for (let at = 0; at < 200; at++) {
    await group(WITH)
    await commit()
  }
  waits = 0
}

const added: number[] = []
const committed: number[] = []
for (let at = 0; at < ROUNDS + 2; at++) {
  const without = await round(WITHOUT)
  await warmUp()
  const withThem = await round(WITH)
  if (waits > 0) throw new Error(`${waits} warm requests had to wait`)
  // The first two are the compiler's.
  if (at < 2) continue
  added.push(withThem.path - without.path)
  committed.push(withThem.after - without.after)
}
const onPath = median(added)
console.log(
  `authentication, admission and settlement  ${onPath.toFixed(1).padStart(6)} µs a request   aim ${AIM_MICROS}`,
)
console.log(`group commit, after the answers           ${median(committed).toFixed(1).padStart(6)} µs a request`)
console.log(onPath <= AIM_MICROS ? 'met' : 'missed')
