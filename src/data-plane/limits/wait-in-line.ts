// Waiting for a limit instead of being refused by it, where the policy allows it: for so long at most, not more than so
// many of a tenant at once in this isolate, and only as long as the client is there. Each waiting request looks after
// itself with a timer of its own: another's wake-up is a help that may never come.
import type { Denial } from '../../core/limits/limits.ts'
import { type Limiter, type Refusal, type Reservation, isAdmitted } from '../../ports.ts'
import type { Asked } from './at-limit.ts'
import { type Place, type Waitable, WaitingLine } from './waiting-line.ts'

/** A waiting request looks about at least this often … */
const LOOK_MS = 1_000
/** … and whether a slot is free, which nobody can know before: to ask costs nothing until one has ended here, or the refusal
 *  is forgotten. */
const SLOT_LOOK_MS = 100

/** By limiter, that is one set for an isolate; by tenant, those that have somebody waiting. */
const lines = new WeakMap<Limiter, Map<string, WaitingLine>>()

function linesOf(limiter: Limiter): Map<string, WaitingLine> {
  const known = lines.get(limiter)
  if (known !== undefined) return known
  const made = new Map<string, WaitingLine>()
  lines.set(limiter, made)
  return made
}

/** The refusal behind which a request that has just come has to wait, since others wait for the same; null for none. */
export function mustWaitBehind({ services, path }: Asked): Waitable | null {
  const line = linesOf(services.limiter).get(path.tenantId)
  return line?.ahead(path, services.nowMs())?.denial ?? null
}

/** Waits until it is admitted, or tells why not: at once where that can't be in time. `isOwn`: `denial` was said to this
 *  request and not to the one before it. */
export async function waitInLine(asked: Asked, denial: Waitable, isOwn: boolean): Promise<Reservation | Refusal> {
  const { policy } = denial
  if (policy?.kind !== 'wait' || denial.retryAfterMs === null) return denial
  const { services, client, path } = asked
  const all = linesOf(services.limiter)
  const line = all.get(path.tenantId) ?? new WaitingLine()
  if (line.size >= policy.maxWaiting) return denial
  const nowMs = services.nowMs()
  const readyAtMs = isOwn ? readyMs(denial, nowMs) : nowMs
  const place: Place = {
    path,
    deadlineMs: nowMs + policy.maxWaitMs,
    denial,
    readyAtMs,
    isTrying: false,
    seenAtMs: nowMs,
    wake: () => {},
  }
  line.enter(place)
  all.set(path.tenantId, line)
  client.onLeave(() => place.wake())
  let isServed = false
  try {
    const answer = await untilAnswered(asked, line, place)
    isServed = isAdmitted(answer)
    return answer
  } finally {
    client.onLeave(null)
    line.leave(place, isServed)
    if (line.size === 0) all.delete(path.tenantId)
    else line.wake(services.nowMs())
  }
}

async function untilAnswered(asked: Asked, line: WaitingLine, place: Place): Promise<Reservation | Refusal> {
  const { services, client } = asked
  for (;;) {
    const nowMs = services.nowMs()
    place.seenAtMs = nowMs
    const soonestMs = line.soonestMs(place, nowMs)
    if (client.hasLeft || nowMs >= place.deadlineMs || soonestMs > place.deadlineMs) {
      return refusalOf(place, soonestMs - nowMs)
    }
    if (!line.mayTry(place, nowMs)) {
      await look(asked, place, nowMs)
      continue
    }
    place.isTrying = true
    line.wake(nowMs)
    const answer = await asked.ask()
    place.isTrying = false
    if (isAdmitted(answer) || !isWaitable(answer) || answer.retryAfterMs === null) return answer
    place.denial = answer
    place.readyAtMs = readyMs(answer, services.nowMs())
  }
}

/** When it is worth asking again. */
function readyMs({ kind, retryAfterMs }: Waitable, nowMs: number): number {
  return nowMs + (kind === 'slots' ? Math.min(SLOT_LOOK_MS, retryAfterMs) : (retryAfterMs ?? 0))
}

/** With the wait that is left of it. */
function refusalOf({ denial }: Place, waitMs: number): Waitable {
  return denial.kind === 'slots' ? denial : { ...denial, retryAfterMs: Math.max(1, waitMs) }
}

/** Sleeps until it may be ready, its deadline is there, or somebody says that it is its turn. */
async function look({ services }: Asked, place: Place, nowMs: number): Promise<void> {
  const { readyAtMs, deadlineMs } = place
  const ownMs = readyAtMs > nowMs ? Math.min(readyAtMs, deadlineMs) : deadlineMs
  const woken = new Promise<void>((resolve) => {
    place.wake = resolve
  })
  await Promise.race([woken, services.sleep(Math.min(ownMs - nowMs, LOOK_MS))])
}

/** A limit that time or others make room in, and whose policy is to wait for that. */
export function isWaitable(refusal: Refusal): refusal is Waitable {
  return (refusal.kind === 'rate' || refusal.kind === 'slots') && policyOf(refusal) === 'wait'
}

function policyOf(denial: Denial): string | null {
  return 'policy' in denial ? (denial.policy?.kind ?? null) : null
}
