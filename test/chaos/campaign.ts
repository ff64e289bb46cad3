// The run itself: so many requests by so many clients at a time, and what befalls the processes meanwhile, in an order that
// follows from the seed.
import { setTimeout as wait } from 'node:timers/promises'
import { type Chance, chance } from '../support/chance.ts'
import { eventually } from '../support/account.ts'
import { type Asked, type Client, askFor } from './clients.ts'
import type { Control } from './control.ts'
import { FEATURES, type Feature, type FeatureName } from './features.ts'
import type { Point } from './points.ts'
import type { Centre, Gateway } from './processes.ts'
import { LEASE_TTL_MS } from './workers.ts'

const CLIENTS = 24
const GATEWAYS = 3
/** After a lease has expired, so long passes until its gateway can be told late. */
const CUT_OFF_MS = LEASE_TTL_MS + 2_500
const UNREACHABLE_MS = 1_500
const D1_AWAY_MS = 4_000
/** Longer than a directory goes without a look at KV. */
const KV_AWAY_MS = 7_000
/** Before a client that was refused asks again. */
const REFUSED_MS = 400
/** What was armed has found its opportunity by then, or there was none. */
const STRIKES_MS_MAX = 45_000
/** How long the next blow waits for one that has found none. */
const OPPORTUNITY_MS_MAX = 10_000
const TOLD_EVERY = 250
/** On a machine that has other things to do, there are fewer requests. */
const RUN_MS_MAX = 150_000
/** Share of the run before the first blow, and after the last. */
const CALM = 0.05

export interface Campaign {
  readonly asked: readonly Asked[]
  /** Gateways that were killed, and when. */
  readonly killed: ReadonlyMap<number, number>
  /** Those that live at the end. */
  readonly gateways: readonly Gateway[]
}

export interface Plan extends Client {
  readonly seed: number
  readonly requests: number
  readonly control: Control
  readonly centre: Centre
  startGateway(): Promise<Gateway>
}

/** What is armed and strikes by itself when the opportunity comes; so many times each. */
const ARMED: readonly (readonly [Point, number])[] = [
  ['limiter, before its commit', 1],
  ['limiter, before its reply', 1],
  ['limiter, before its outbox is sent', 1],
  ['limiter, after its outbox is sent', 1],
  ['everything, before D1', 1],
  ['everything, after D1', 1],
  ['call, reply lost', 3],
  ['call, twice', 4],
  ['call, late', 3],
  ['side call, reply lost', 3],
  ['side call, twice', 3],
  ['side call, late', 2],
  ['queue, refuses', 2],
  ['queue, loses', 2],
  ['queue, doubles', 3],
  ['queue, repeats', 2],
  ['queue, delays', 2],
  ['queue, reorders', 2],
  ['consumer, before D1', 2],
  ['consumer, after D1', 2],
  ['confirmation, lost', 2],
]

export async function campaign(plan: Plan): Promise<Campaign> {
  const world = new World(plan)
  while (world.gateways.length < GATEWAYS) world.gateways.push(await plan.startGateway())
  const [asked] = await Promise.all([world.ask(), world.befall()])
  return { asked: [...asked, ...(await world.lastRound())], killed: world.killed, gateways: world.gateways }
}

class World {
  readonly gateways: Gateway[] = []
  readonly killed = new Map<number, number>()
  readonly #plan: Plan
  readonly #chance: Chance
  #begun = 0
  #served = 0
  readonly #sinceMs = Date.now()
  #hasAllBefallen = false
  #freshVictim: number | null = null

  constructor(plan: Plan) {
    this.#plan = plan
    this.#chance = chance(plan.seed)
  }

  /** Goes on until as many as planned were served, and everything has befallen. */
  async ask(): Promise<readonly Asked[]> {
    const order = this.#features()
    const asked: Asked[] = []
    const client = async (): Promise<void> => {
      while (this.#progress < 1 || !this.#hasAllBefallen) {
        const feature = order()
        const gateway = await this.#gatewayFor(this.#begun)
        const all = Array.from({ length: countAtOnce(feature) }, () => this.#ask(feature, gateway, asked))
        const outcomes = await Promise.all(all)
        if (!outcomes.includes('served') && !outcomes.includes('left')) await wait(REFUSED_MS)
      }
    }
    await Promise.all(Array.from({ length: CLIENTS }, client))
    return asked
  }

  async #ask(feature: FeatureName, gateway: Gateway, asked: Asked[]): Promise<Asked['outcome']> {
    const number = this.#begun
    this.#begun += 1
    const one = await askFor(feature, number, gateway, this.#plan)
    asked.push(one)
    if (asked.length % TOLD_EVERY === 0) this.#tell(asked)
    if (this.#freshVictim === one.serial && one.outcome === 'served') this.#killFresh(gateway)
    if (one.outcome === 'served' || one.outcome === 'left') this.#served += 1
    return one.outcome
  }

  /** What a gateway couldn't tell while a limiter was away for long, it tells with its next request: there is one of each
   *  tenant, end user, target and shadow. */
  async lastRound(): Promise<readonly Asked[]> {
    await eventually(
      () => this.#plan.centre.doorUrl,
      (url) => url !== null,
      STRIKES_MS_MAX,
    )
    const names = new Map(
      Object.keys(FEATURES)
        .filter(isFeature)
        .map((name) => [FEATURES[name].tenant, name]),
    )
    const features = [...names.values(), ...BESIDE].flatMap((name) => Array<FeatureName>(usersOf(name)).fill(name))
    const rounds = this.gateways.flatMap((gateway) => features.map((name) => [gateway, name] as const))
    return Promise.all(rounds.map(([gateway, name]) => askFor(name, this.#begun++, gateway, this.#plan)))
  }

  /** One thing after the other, spread over the run. */
  async befall(): Promise<void> {
    const { control } = this.#plan
    const { faults } = control
    const acts: (() => Promise<void> | void)[] = [
      ...ARMED.flatMap(([point, times]) => Array.from({ length: times }, () => () => this.#strike(point))),
      ...Array.from({ length: 2 }, () => () => this.#killBusy()),
      ...Array.from({ length: 2 }, () => () => this.#armFresh()),
      () => this.#killIdle(),
      () => this.#cutOff(),
      () => this.#away('limiter, unreachable', (isAway) => (control.isLimiterAway = isAway), UNREACHABLE_MS),
      () => this.#away('D1, away', (isAway) => (control.isD1Away = isAway), D1_AWAY_MS),
      () => this.#away('KV, away', (isAway) => (control.isKvAway = isAway), KV_AWAY_MS),
    ]
    try {
      for (const [at, act] of shuffled(acts, this.#chance).entries()) {
        const due = CALM + (at / acts.length) * (1 - 2 * CALM)
        while (this.#progress < due || !this.#isWhole) await wait(20)
        await act()
      }
      await eventually(() => faults.isQuiet, Boolean, STRIKES_MS_MAX).catch(() => undefined)
    } finally {
      faults.disarm()
      this.#hasAllBefallen = true
    }
  }

  #tell(asked: readonly Asked[]): void {
    const { faults } = this.#plan.control
    const waiting = faults.waiting.join('; ') || 'nothing'
    process.stdout.write(
      `${Math.round((Date.now() - this.#sinceMs) / 1_000)} s, ${asked.length} requests, ${this.#served} served, ${refusals(asked.slice(-TOLD_EVERY))}; waiting: ${waiting}\n`,
    )
  }

  /** How much of the run is over, of 1: by what was served, or by the clock where that takes too long. */
  get #progress(): number {
    return Math.max(this.#served / this.#plan.requests, (Date.now() - this.#sinceMs) / RUN_MS_MAX)
  }

  /** Every feature as often as any other, in any order. */
  #features(): () => FeatureName {
    const names = Object.keys(FEATURES).filter(isFeature)
    let left: FeatureName[] = []
    return () => {
      if (left.length === 0) left = shuffled(names, this.#chance)
      return left.pop() ?? this.#chance.pick(names)
    }
  }

  /** In turn. There is none only while all are being replaced. */
  async #gatewayFor(number: number): Promise<Gateway> {
    for (;;) {
      const gateway = this.gateways[number % this.gateways.length]
      if (gateway !== undefined) return gateway
      await wait(20)
    }
  }

  async #killBusy(): Promise<void> {
    const victim = await eventually(
      () => this.gateways.toSorted((a, b) => b.open - a.open)[0],
      (gateway) => gateway !== undefined && gateway.open >= 4,
      30_000,
    )
    if (victim === undefined) return
    this.#plan.control.faults.note('isolate, busy')
    await this.#replace(victim)
  }

  /** Struck by the client that reads the end of the next answer. */
  async #armFresh(): Promise<void> {
    this.#freshVictim = this.#chance.pick(this.gateways).serial
    await eventually(
      () => this.#freshVictim,
      (victim) => victim === null,
      30_000,
    )
  }

  #killFresh(gateway: Gateway): void {
    this.#freshVictim = null
    if (!this.gateways.includes(gateway)) return
    this.#plan.control.faults.note('isolate, fresh')
    void this.#replace(gateway)
  }

  /** Out of everybody's reach until nothing runs in it: it dies with a lease and what it was granted ahead. */
  async #killIdle(): Promise<void> {
    const victim = this.#chance.pick(this.gateways)
    const replacement = await this.#plan.startGateway()
    this.gateways[this.gateways.indexOf(victim)] = replacement
    await eventually(
      () => victim.open,
      (open) => open === 0,
      30_000,
    )
    await wait(200)
    this.#plan.control.faults.note('isolate, idle')
    this.#kill(victim)
  }

  async #replace(victim: Gateway): Promise<void> {
    const at = this.gateways.indexOf(victim)
    this.#kill(victim)
    this.gateways.splice(at, 1)
    this.gateways.push(await this.#plan.startGateway())
  }

  #kill(victim: Gateway): void {
    this.killed.set(victim.serial, Date.now())
    victim.kill()
  }

  async #cutOff(): Promise<void> {
    const { serial } = this.#chance.pick(this.gateways)
    this.#plan.control.cutOff.add(serial)
    await wait(CUT_OFF_MS)
    await this.#struck('isolate, cut off')
    this.#plan.control.cutOff.delete(serial)
  }

  /** For so long, and until somebody has noticed. */
  async #away(point: Point, set: (isAway: boolean) => void, forMs: number): Promise<void> {
    set(true)
    await wait(forMs)
    await this.#struck(point)
    set(false)
  }

  /** Who was killed before lives again. */
  get #isWhole(): boolean {
    return this.#plan.centre.doorUrl !== null && this.gateways.length === GATEWAYS
  }

  /** At the next opportunity, which most have at once. */
  async #strike(point: Point): Promise<void> {
    const { faults } = this.#plan.control
    faults.arm(point)
    await eventually(() => !faults.isArmed(point), Boolean, OPPORTUNITY_MS_MAX).catch(() => undefined)
  }

  async #struck(point: Point): Promise<void> {
    const { struck } = this.#plan.control.faults
    await eventually(() => struck.has(point), Boolean, STRIKES_MS_MAX).catch(() => undefined)
  }
}

/** How many were refused with what, or broke. */
function refusals(asked: readonly Asked[]): string {
  const counts = new Map<string, number>()
  for (const { outcome, status, code, serial } of asked) {
    if (outcome === 'served' || outcome === 'left') continue
    const name = `${outcome} ${status} ${code} at ${serial}`
    counts.set(name, (counts.get(name) ?? 0) + 1)
  }
  return [...counts].map(([name, count]) => `${count} ${name}`).join(', ') || 'none refused'
}

/** Those with limits beside their tenant's. */
const BESIDE = ['a target with limits', 'mirrored'] as const satisfies readonly FeatureName[]

function usersOf(name: FeatureName): number {
  const { users = 1 }: Feature = FEATURES[name]
  return users
}

function countAtOnce(name: FeatureName): number {
  const { atOnce = 1 }: Feature = FEATURES[name]
  return atOnce
}

function isFeature(name: string): name is FeatureName {
  return Object.hasOwn(FEATURES, name)
}

function shuffled<T>(items: readonly T[], draw: Chance): T[] {
  const left = [...items]
  const order: T[] = []
  while (left.length > 0) order.push(...left.splice(draw.below(left.length), 1))
  return order
}
