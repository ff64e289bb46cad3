// Worlds with all that a plan may hang on (data regions, labels, prices, rules, policies, wishes, shadows, presets), made by
// chance, and what is explained in them.
import fc from 'fast-check'
import { expect } from 'vitest'
import type { DataPolicy } from '../../src/core/routing/data-policy.ts'
import type { Route, Target } from '../../src/core/directory.ts'
import type { Preset } from '../../src/core/routing/preset.ts'
import type { RouteRule } from '../../src/core/routing/route-rules.ts'
import { routeTable } from '../../src/core/routing/route-table.ts'
import type { ShadowPolicy } from '../../src/core/routing/shadow.ts'
import { STRATEGY_NAMES } from '../../src/core/strategies/index.ts'
import { explain } from '../../src/data-plane/explain/explain.ts'
import { type PathWorld, callerOf, pathWorld } from './path-world.ts'
import { costingPicoUsd, someTarget } from './targets.ts'

/** As much of an explanation as is looked at. */
export interface Told {
  readonly preset: string | null
  readonly summary?: string
  readonly candidates: readonly { readonly target: string }[]
  readonly shadow?: { readonly target: string | null; readonly excluded: { readonly reason: string } | null } | null
  readonly would_answer?: { readonly status: number; readonly body: unknown }
  readonly [name: string]: unknown
}

/** What the gateway answers who asks for an explanation. `query`: with its question mark. */
export function answerTo(world: PathWorld, body: object | null, query = ''): Promise<Response> {
  const asked = new Request(`https://gateway.test/v1/route/explain${query}`, {
    method: 'POST',
    headers: { authorization: 'Bearer tg_test_of_the_client', 'content-type': 'application/json' },
    body: body === null ? null : JSON.stringify(body),
  })
  return world.serve((services, later) => explain(asked, services, later))
}

/** The explanation of a request. */
export async function explained(world: PathWorld, body: object, query = ''): Promise<Told> {
  const response = await answerTo(world, body, query)
  expect(response.status).toBe(200)
  const told: Told = await response.json()
  return told
}

/** Its targets. */
export const IDS = ['a', 'b', 'c', 'd'] as const
const id = fc.constantFrom(...IDS)
const region = fc.constantFrom('eu', 'us')
const target = fc.record({
  dataRegion: region,
  trains: fc.boolean(),
  labels: fc.subarray(['zdr', 'x']),
  price: fc.integer({ min: 1, max: 9 }).map((usd) => costingPicoUsd(usd * 1e6, usd * 1e6)),
  provider: fc.constantFrom('openai', 'groq'),
  dialect: fc.oneof(
    { weight: 5, arbitrary: fc.constant('openai-chat' as const) },
    { weight: 1, arbitrary: fc.constant('anthropic-messages' as const) },
  ),
})
const policy: fc.Arbitrary<DataPolicy> = fc.record(
  { regions: fc.uniqueArray(region, { minLength: 1 }), noTraining: fc.constant(true) },
  { requiredKeys: [] },
)
const provider = fc.record(
  {
    order: fc.uniqueArray(fc.constantFrom('openai', 'groq', 'b'), { maxLength: 2 }),
    ignore: fc.uniqueArray(fc.constantFrom('groq', 'a'), { maxLength: 1 }),
    sort: fc.constantFrom('price'),
    data_region: region,
    allow_fallbacks: fc.boolean(),
  },
  { requiredKeys: [] },
)
const rule: fc.Arbitrary<RouteRule['do']> = fc.oneof(
  id.map((one) => ({ kind: 'exclude', targets: [one] }) as const),
  fc.constant({ kind: 'require-labels', labels: ['x'] } as const),
  fc.constant({ kind: 'refuse', message: 'No.' } as const),
)
const shadow: fc.Arbitrary<ShadowPolicy> = fc.oneof(
  fc.constantFrom(...IDS, 'none').map((one) => ({ target: one, percent: 100 })),
  fc.constantFrom('r', 'other', 'none').map((route) => ({ route, percent: 100 })),
)
interface Policies {
  readonly tenant?: DataPolicy
  readonly key?: DataPolicy
  readonly route?: DataPolicy
}
/** A world, and a request in it. */
export const given = fc.record({
  targets: fc.tuple(target, target, target, target),
  named: fc.shuffledSubarray([...IDS], { minLength: 1 }),
  strategy: fc.constantFrom(...STRATEGY_NAMES),
  weights: fc.tuple(...IDS.map(() => fc.integer({ min: 0, max: 3 }))),
  draw: fc.integer({ min: 0, max: 99 }).map((percent) => percent / 100),
  rule: fc.option(rule, { freq: 1 }),
  policies: fc.oneof(
    fc.constant<Policies>({}),
    fc.record({ tenant: policy, key: policy, route: policy }, { requiredKeys: [] }),
  ),
  shadow: fc.option(shadow),
  model: fc.constantFrom('asked', 'asked@preset/p', '@preset/p', '@preset/none'),
  preset: fc.record({ provider, temperature: fc.constant(0.5), n: fc.constant(2) }, { requiredKeys: [] }),
  wishes: fc.option(provider),
  system: fc.boolean(),
})
export type Given = typeof given extends fc.Arbitrary<infer T> ? T : never

/** The world of it. */
export function worldOf(one: Given): PathWorld {
  const world = pathWorld([])
  const targets = Object.fromEntries(
    IDS.map((name, at): [string, Target] => [name, someTarget(name, one.targets[at] ?? {})]),
  )
  const members = one.named.map((name, at) => ({ target: name, weight: one.weights[at] ?? 1 }))
  const routes: readonly Route[] = [
    {
      id: 'r',
      model: 'asked',
      tenantId: null,
      targets: one.named,
      allowedGaps: [],
      group: { strategy: one.strategy, members },
      ...(one.rule === null ? {} : { rules: [{ name: 'rule', when: { all: [] }, do: one.rule }] }),
      ...(one.policies.route === undefined ? {} : { dataPolicy: one.policies.route }),
      ...(one.shadow === null ? {} : { shadow: one.shadow }),
    },
    { id: 'other', model: 'another', tenantId: null, targets: ['c', 'd'], allowedGaps: ['n'] },
  ]
  const preset: Preset = {
    name: 'p',
    tenantId: null,
    members: { model: 'asked', ...plain(one.preset) },
    ...(one.system ? { system: 'Be brief.' } : {}),
  }
  world.table = routeTable({ revision: 1, targets, routes, presets: [preset] })
  const { tenant, key } = one.policies
  world.caller = {
    ...callerOf(world),
    dataPolicies: [
      ...(tenant === undefined ? [] : [{ of: 'tenant', policy: tenant } as const]),
      ...(key === undefined ? [] : [{ of: 'key', policy: key } as const]),
    ],
  }
  world.draw = one.draw
  world.mayRetry = () => false
  return world
}

/** A value without members that are undefined. */
export const plain = (value: object) => JSON.parse(JSON.stringify(value))
