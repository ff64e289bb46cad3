// Data stays where its tenant, key, route and request want it: on every way that leads to a provider.
import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { type DataPolicy, breachOf, unmet } from '../../src/core/routing/data-policy.ts'
import type { Route } from '../../src/core/directory.ts'
import { serveTask } from '../../src/data-plane/tasks/serve-task.ts'
import { tasks } from '../../src/protocols/tasks/index.ts'
import { outcome, passingWorld } from '../support/pass-through-world.ts'
import { type PathWorld, WAYS, callerOf, ended, holdTime, pathWorld } from '../support/path-world.ts'
import { fails, says } from '../support/scripted-provider.ts'
import { someTarget } from '../support/targets.ts'

beforeEach(holdTime)
afterEach(() => {
  vi.useRealTimers()
})

const TARGETS = [
  someTarget('unknown'),
  someTarget('us', { dataRegion: 'us', trains: false }),
  someTarget('eu-trains', { dataRegion: 'eu', trains: true, labels: ['no-training'] }),
  someTarget('eu', { dataRegion: 'eu', trains: false, labels: ['zdr'] }),
  someTarget('labelled', { dataRegion: 'ch', labels: ['no-training'] }),
]
const EU: DataPolicy = { regions: ['eu', 'ch'] }

function world(policies: { tenant?: DataPolicy; key?: DataPolicy; route?: DataPolicy }): PathWorld {
  const route: Partial<Route> = policies.route === undefined ? {} : { dataPolicy: policies.route }
  const made = pathWorld(TARGETS, route)
  const owned = (['tenant', 'key'] as const).flatMap((of) => {
    const policy = policies[of]
    return policy === undefined ? [] : [{ of, policy }]
  })
  made.caller = { ...callerOf(made), dataPolicies: owned }
  made.mayRetry = () => false
  return made
}

/** Who gets a request that everybody fails. */
async function reached(made: PathWorld, more: object = {}): Promise<readonly string[]> {
  made.upstream = (call) => fails(call, 'overloaded')
  await ended(made, await made.ask({ ...WAYS[0][1], ...more }))
  return made.calls.map(({ target }) => target.id)
}

describe('a policy', () => {
  test.each([
    ['nothing', {}, ['unknown', 'us', 'eu-trains', 'eu', 'labelled']],
    ['regions of the tenant', { tenant: EU }, ['eu-trains', 'eu', 'labelled']],
    ['regions of the key', { key: { regions: ['us'] } }, ['us']],
    ['no training, of the route', { route: { noTraining: true } }, ['us', 'eu', 'labelled']],
    ['nothing kept', { tenant: { zeroRetention: true } }, ['eu']],
    ['of all three', { tenant: EU, key: { noTraining: true }, route: { regions: ['eu'] } }, ['eu']],
  ] as const)('of %s keeps requests with those who meet it', async (_, policies, expected) => {
    expect(await reached(world(policies))).toEqual(expected)
  })

  test('adds up with what the request itself wants', async () => {
    expect(await reached(world({ tenant: EU }), { provider: { data_region: 'eu' } })).toEqual(['eu-trains', 'eu'])
    expect(await reached(world({}), { provider: { data_region: ['us', 'ch'] } })).toEqual(['us', 'labelled'])
    const both = { data_region: 'eu', data_collection: 'deny' }
    expect(await reached(world({}), { provider: both })).toEqual(['eu'])
    const wrong = await world({}).ask({ ...WAYS[0][1], provider: { data_region: 7 } })
    expect(await wrong.json()).toMatchObject({ error: { param: 'provider.data_region' } })
  })

  test.each([
    ['tenant', { tenant: { regions: ['jp'] } }, 'data_region'],
    ['key', { key: { regions: ['us'], zeroRetention: true } }, 'data_region'],
    ['route', { route: { regions: ['jp'] } }, 'data_region'],
  ] as const)('of a %s that nobody meets is told as a 403, and nobody is asked', async (of, policies, need) => {
    const made = world(policies)
    const response = await made.ask(WAYS[0][1])
    expect(response.status).toBe(403)
    const message: unknown = expect.stringMatching(new RegExp(`of this ${of}: .${need}`))
    expect(await response.json()).toMatchObject({ error: { code: 'data_policy', message } })
    expect(made.calls).toEqual([])
  })

  test('stands in the plan', async () => {
    const made = world({ tenant: { regions: ['eu'], noTraining: true } })
    made.upstream = says
    const response = await made.ask(WAYS[0][1])
    expect(response.headers.get('x-tidegate-plan')).toBe(
      'priority: eu; not unknown (data-policy), us (data-policy), eu-trains (data-policy), labelled (data-policy)',
    )
  })

  test('counts for tasks', async () => {
    const made = world({ tenant: { regions: ['us'] } })
    const embed = async () => {
      const asked = new Request('https://gateway.test/v1/embeddings', {
        method: 'POST',
        headers: { authorization: 'Bearer tg_test_of_the_client', 'content-type': 'application/json' },
        body: JSON.stringify({ model: 'asked', input: ['1'] }),
      })
      return ended(made, await made.serve((services, later) => serveTask(asked, tasks.embeddings, services, later)))
    }
    made.upstream = (call) => fails(call, 'overloaded')
    await embed()
    expect(made.calls.map(({ target }) => target.id)).toEqual(['us'])
    made.caller = { ...callerOf(made), dataPolicies: [{ of: 'tenant', policy: { regions: ['jp'] } }] }
    expect(await embed()).toContain('data_policy')
    expect(made.calls).toHaveLength(1)
  })

  test('counts for what is passed through', async () => {
    const body = { model: 'm', messages: [{ role: 'user', content: 'Hello?' }] }
    const dataPolicies = [{ of: 'key', policy: EU } as const]
    for (const dataRegion of ['eu', 'us']) {
      const made = passingWorld('openai-chat', { dataPolicies }, { dataRegion })
      await outcome(made, '/t/v1/chat/completions', body)
      expect(made.calls.length, dataRegion).toBe(dataRegion === 'eu' ? 1 : 0)
    }
  })
})

const region = fc.constantFrom('eu', 'us', 'ch')
const policy: fc.Arbitrary<DataPolicy> = fc.record(
  {
    regions: fc.uniqueArray(region, { minLength: 1 }),
    noTraining: fc.constant(true),
    zeroRetention: fc.constant(true),
  },
  { requiredKeys: [] },
)
const target = fc
  .record(
    { dataRegion: region, trains: fc.boolean(), labels: fc.uniqueArray(fc.constantFrom('zdr', 'no-training')) },
    { requiredKeys: [] },
  )
  .map((fields) => someTarget('t', fields))

test('more policies never let a target in, and the breach that is told is one', () => {
  fc.assert(
    fc.property(fc.array(policy, { maxLength: 3 }), policy, target, (policies, another, one) => {
      const owned = policies.map((own) => ({ of: 'tenant', policy: own }) as const)
      const more = breachOf([...owned, { of: 'key', policy: another }], one)
      if (breachOf(owned, one) !== null) expect(more).not.toBeNull()
      if (more === null) for (const own of [...policies, another]) expect(unmet(own, one)).toBeNull()
    }),
  )
})
