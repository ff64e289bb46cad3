// What becomes of a request that its limits refuse: another model in its place, or, while nobody can be asked, service all
// the same where the tenant wants that.
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { routeTable } from '../../src/core/routing/route-table.ts'
import { admitAtLimit } from '../../src/data-plane/limits/at-limit.ts'
import { type Limiter, type Refusal, isAdmitted } from '../../src/ports.ts'
import { heldTenant, weigh } from '../support/held-tenant.ts'
import { configOf, node } from '../support/limiter-receiver.ts'
import { type PathWorld, callerOf, caching, ended, expectSettled, holdTime, pathWorld } from '../support/path-world.ts'
import { says } from '../support/scripted-provider.ts'
import { someTarget } from '../support/targets.ts'

beforeEach(holdTime)
afterEach(() => {
  vi.useRealTimers()
})

const MESSAGES = [{ role: 'user', content: 'Hello?' }]
const BODY = { model: 'dear', messages: MESSAGES, seed: 7 }

function refusedTo(model: string): Refusal {
  return {
    kind: 'budget',
    scope: 'key',
    model: null,
    left: 0,
    limitNanoUsd: 5e9,
    period: 'day',
    resetsAtMs: Date.now() + 3_600_000,
    retryAfterMs: 3_600_000,
    policy: { kind: 'downgrade', model },
  }
}

/** `dear` and `cheap`, each with a target of its own; `any*` goes to a target for every model. */
function world(): PathWorld {
  const targets = [someTarget('big'), someTarget('small'), someTarget('every', { model: '*' })]
  const made = pathWorld(targets)
  const route = (model: string, id: string) => ({ id: model, model, tenantId: null, targets: [id], allowedGaps: [] })
  made.table = routeTable({
    revision: 1,
    targets: Object.fromEntries(targets.map((target) => [target.id, target])),
    routes: [route('dear', 'big'), route('cheap', 'small'), route('any*', 'every')],
  })
  made.upstream = (call) => says(call)
  return made
}

describe('a limit that sends requests to another model', () => {
  test.each([
    ['whole', {}],
    ['streamed', { stream: true }],
  ])('has it answer in place of the one that was asked for: %s', async (_, more) => {
    const made = world()
    made.refusal = (number) => (number === 1 ? refusedTo('cheap') : null)
    const response = await made.ask({ ...BODY, ...more })
    expect(response.status).toBe(200)
    expect(response.headers.get('x-tidegate-downgraded-from')).toBe('dear')
    expect(response.headers.get('x-tidegate-route')).toBe('cheap')
    expect(response.headers.get('x-tidegate-model')).toBe('small')
    await ended(made, response)
    expect(made.calls.map(({ target }) => target.id)).toEqual(['small'])
    expect(JSON.parse(made.calls[0]?.text ?? '')).toMatchObject({ model: 'small', seed: 7, messages: MESSAGES })
    const [event] = expectSettled(made)
    expect(event).toMatchObject({ requestedModel: 'dear', route: 'cheap', model: 'small', isFinal: true, attempt: 1 })
    expect(event?.tags).toEqual(['tidegate:downgraded'])
  })

  test('names the other model to a target for every model', async () => {
    const made = world()
    made.refusal = (number) => (number === 1 ? refusedTo('any-thing') : null)
    await ended(made, await made.ask(BODY))
    expect(JSON.parse(made.calls[0]?.text ?? '')).toMatchObject({ model: 'any-thing' })
  })

  test('does so once: what refuses that as well ends the request', async () => {
    const made = world()
    made.refusal = (number) => refusedTo(number === 1 ? 'cheap' : 'any-thing')
    const response = await made.ask(BODY)
    expect(response.status).toBe(402)
    expect(made.calls).toEqual([])
    expect(made.steps.filter((step) => step === 'admit')).toHaveLength(2)
  })

  test.each([
    ['the key may not use', 'cheap', ['dear']],
    ['nobody knows', 'nothing', []],
    ['was asked for', 'dear', []],
  ])('refuses where that is one which %s', async (_, model, allowedModels) => {
    const made = world()
    made.caller = { ...callerOf(made), allowedModels }
    made.refusal = () => refusedTo(model)
    const response = await made.ask(BODY)
    expect(response.status).toBe(402)
    expect(response.headers.get('retry-after')).toBe('3600')
    expect(response.headers.get('x-should-retry')).toBe('false')
    expect(response.headers.get('x-tidegate-budget-limit-usd')).toBe('5.000000000')
    expect(response.headers.get('x-tidegate-budget-remaining-usd')).toBe('0.000000000')
    expect(made.steps.filter((step) => step === 'admit')).toHaveLength(1)
  })

  test('keeps no answer of the other model as one to what was asked', async () => {
    const made = caching(world())
    made.refusal = (number) => (number === 1 ? refusedTo('cheap') : null)
    await ended(made, await made.ask(BODY))
    expect(made.cache.size).toBe(0)
    await ended(made, await made.ask(BODY))
    expect(made.cache.size).toBe(1)
  })

  test('says nothing of it where nothing was refused', async () => {
    const made = world()
    const response = await made.ask(BODY)
    expect(response.headers.has('x-tidegate-downgraded-from')).toBe(false)
    expect([...response.headers.keys()].filter((name) => /ratelimit|budget/.test(name))).toEqual([])
    await ended(made, response)
    expect(expectSettled(made)[0]?.tags).toEqual([])
  })
})

describe('while the limiter is away', () => {
  const AWAY: Refusal = { kind: 'unavailable' }

  test('nobody is let in on trust', async () => {
    const made = world()
    made.refusal = () => AWAY
    const response = await made.ask(BODY)
    expect(response.status).toBe(503)
    expect(await response.json()).toMatchObject({ error: { code: 'limiter_unavailable' } })
    expect(made.calls).toEqual([])
  })

  test('requests of a tenant that wants it so are served, and their events are kept for later', async () => {
    const made = world()
    made.caller = { ...callerOf(made), admitsUnchecked: true }
    made.refusal = () => AWAY
    const response = await made.ask(BODY)
    expect(response.status).toBe(200)
    await ended(made, response)
    expect(made.admitted).toEqual([])
    expect(made.recorded).toMatchObject([{ attempt: 1, isFinal: true, status: 200, targetId: 'big' }])
  })

  test('a lease in hand is used to its end first; what has a budget is refused from then on', async () => {
    for (const isWanted of [true, false]) {
      const held = heldTenant(configOf([node('key', 'k', { tokensPerMinute: 600_000 })]))
      held.finish(await held.admitted('r0', { tokens: 1_000 }), 'r0')
      await held.clock.advance(100)
      held.usualFate = 'refused'
      const limiter: Limiter = {
        admit: () => Promise.resolve({ kind: 'unavailable' }),
        record: (event, later) => held.holder.record(event, later),
        limits: async () => 'unavailable',
      }
      const ask = (id: string) =>
        admitAtLimit({
          services: { limiter, nowMs: held.clock.nowMs, sleep: held.clock.sleep },
          client: { hasLeft: false, onLeave: () => {} },
          caller: isWanted ? { admitsUnchecked: true } : {},
          path: { tenantId: 't', teamId: null, keyId: 'k', model: 'm' },
          amounts: weigh({ tokens: 10 }),
          isAlone: true,
          ask: () => held.ask(id, { tokens: 10 }),
        })
      for (let second = 0; second < 29; second++) {
        const answer = ask(`s${second}`)
        if (answer instanceof Promise) throw new Error(`had to wait after ${second} s`)
        held.finish(answer, `s${second}`)
        await held.clock.advance(1_000)
      }
      await held.clock.advance(1_000)
      const after = await held.clock.until(Promise.resolve(ask('after')))
      expect(isAdmitted(after)).toBe(isWanted)
      const next = ask('next')
      expect(next instanceof Promise, 'the limiter is not asked again').toBe(!isWanted)
      if (next instanceof Promise || !isAdmitted(after)) continue
      held.finish(after, 'after')
      held.usualFate = 'arrives'
      await held.clock.advance(20_000)
      expect(held.receiver.runs.join()).toContain('"after"')
    }
  })

  test('they are not where events of earlier ones have no room left', async () => {
    const made = world()
    made.caller = { ...callerOf(made), admitsUnchecked: true }
    made.refusal = () => ({ kind: 'unavailable', isFull: true })
    expect((await made.ask(BODY)).status).toBe(503)
  })

  test('they are not where an end user or a target has limits of its own', async () => {
    const made = world()
    made.caller = { ...callerOf(made), admitsUnchecked: true, endUsers: { isRequired: false, isLimited: true } }
    made.refusal = () => AWAY
    expect((await made.ask({ ...BODY, user: 'somebody' })).status).toBe(503)
  })
})
