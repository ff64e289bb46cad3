// `npm run bench:routing`: the CPU of choosing where a request goes, in this process: the very function of the request's
// path, from the route's look-up to the ordered plan. A figure is the median over the rounds.
import type { RouteGroup } from '../../src/core/routing/route-group.ts'
import type { RouteRule } from '../../src/core/routing/route-rules.ts'
import { STRATEGY_NAMES, type StrategyName } from '../../src/core/strategies/index.ts'
import type { Route, Target } from '../../src/core/directory.ts'
import { routeTable } from '../../src/core/routing/route-table.ts'
import { begin, type ReadExchange } from '../../src/data-plane/exchange.ts'
import { readRequest } from '../../src/data-plane/read-request.ts'
import { promptTokens } from '../../src/data-plane/bodies/large-body.ts'
import { route } from '../../src/data-plane/route/route.ts'
import { chat } from '../../src/protocols/chat/index.ts'
import { pathWorld, servicesOf } from '../support/path-world.ts'
import { someTarget } from '../support/targets.ts'
import { median } from './statistics.ts'

const ROUNDS = 15
const REQUESTS = 2_000
const PRICE = {
  input: 3,
  cacheRead: 1,
  cacheWrite: 4,
  cacheWriteLong: 6,
  output: 15,
  reasoning: 15,
  audioInput: 3,
  audioOutput: 15,
}

/** Aims in µs of CPU a request. */
const AIMS = { few: 10, many: 100 } as const

function targets(count: number): readonly Target[] {
  return Array.from({ length: count }, (_, index) =>
    someTarget(`target-${index}`, {
      price: { ...PRICE, input: 3 + index },
      labels: ['eu'],
      capabilities: { contextTokens: 128_000 },
    }),
  )
}

function groupOf(strategy: StrategyName, all: readonly Target[]): RouteGroup {
  return { strategy, members: all.map(({ id }, index) => ({ target: id, weight: 1 + (index % 5) })) }
}

/** Rules that are read to the end: none but the last is met. */
function rules(count: number, group: RouteGroup): readonly RouteRule[] {
  return Array.from({ length: count }, (_, index): RouteRule => {
    const isLast = index === count - 1
    return {
      name: `rule-${index}`,
      when: isLast
        ? {
            all: [
              { text: 'metadata.app', in: ['bench'] },
              { number: 'prompt_tokens', to: 1_000_000 },
            ],
          }
        : {
            any: [
              { text: 'tag', in: [`tag-${index}`, 'none-*'] },
              { number: 'messages', from: 1_000 + index },
            ],
          },
      do: isLast ? { kind: 'use', group } : { kind: 'exclude', targets: ['target-0'] },
    }
  })
}

async function exchangeOf(): Promise<ReadExchange> {
  const world = pathWorld([])
  const body = {
    model: 'bench',
    messages: [
      { role: 'system', content: 'You are brief.' },
      { role: 'user', content: 'Tell me of the tides, and of the gate that holds them back. '.repeat(8) },
    ],
    metadata: { app: 'bench' },
    user: 'someone',
  }
  const request = new Request('http://gateway/v1/chat/completions', { method: 'POST', body: JSON.stringify(body) })
  request.headers.set('content-type', 'application/json')
  const begun = begin(request, chat, { ...servicesOf(world), draw: Math.random }, () => undefined)
  const read = await readRequest(request, chat)
  if (!read.ok || typeof world.caller === 'string') throw new Error('the request of the bench cannot be read')
  return { ...begun, caller: world.caller, ...read.value }
}

/** µs of CPU of `work`, once, in this round. */
function cpuOf(work: () => void): number {
  const before = process.cpuUsage()
  for (let asked = 0; asked < REQUESTS; asked++) work()
  const { user, system } = process.cpuUsage(before)
  return (user + system) / REQUESTS
}

/** µs of CPU of `work` beyond `other`, which is measured in turns with it: the machine's moods fall on both. */
function beyond(work: () => void, other: () => void): number {
  return median(Array.from({ length: ROUNDS }, () => cpuOf(work) - cpuOf(other)))
}

/** Routes the request, which every target can serve. */
function routing(exchange: ReadExchange, found: Route, all: readonly Target[]): () => void {
  const byId = Object.fromEntries(all.map((target) => [target.id, target]))
  const table = routeTable({ revision: 1, targets: byId, routes: [found] })
  return () => {
    const routed = route(exchange, table)
    if (!routed.ok || routed.value.plan.candidates.length !== all.length) throw new Error('a target is missing')
  }
}

function line(name: string, figure: number, aim: number): string {
  const isMet = figure <= aim ? 'met' : 'missed'
  return `${name.padEnd(44)} ${figure.toFixed(1).padStart(7)} µs   aim ${aim}   ${isMet}`
}

const exchange = await exchangeOf()
const few = targets(3)
const many = targets(50)
const base = { id: 'r', model: 'bench', tenantId: null, allowedGaps: [] }
const estimate = (): void => void promptTokens(exchange.facts, exchange.short)
const idle = beyond(estimate, () => undefined)
console.log(`CPU of routing a request. The estimate of its prompt, ${idle.toFixed(1)} µs, is made once for routing and`)
console.log('admission alike, and taken off.\n')
const show = (name: string, found: Route, all: readonly Target[], aim: number): void => {
  console.log(line(name, beyond(routing(exchange, found, all), estimate), aim))
}
show('3 targets, in order', { ...base, targets: few.map(({ id }) => id) }, few, AIMS.few)
for (const strategy of STRATEGY_NAMES) {
  const found: Route = { ...base, targets: few.map(({ id }) => id), group: groupOf(strategy, few) }
  show(`3 targets, ${strategy}`, found, few, AIMS.few)
}
for (const strategy of STRATEGY_NAMES) {
  const group = groupOf(strategy, many)
  const found: Route = { ...base, targets: many.map(({ id }) => id), group, rules: rules(20, group) }
  show(`50 targets, 20 rules, ${strategy}`, found, many, AIMS.many)
}
