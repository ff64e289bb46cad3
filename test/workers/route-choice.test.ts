// Routes that choose, through the admin API: strategies, groups and rules, read, kept, published, shown, refused.
import { applyD1Migrations } from 'cloudflare:test'
import { env } from 'cloudflare:workers'
import { beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { RoutingSnapshot } from '../../src/core/directory.ts'
import { adminApi, emptied } from '../support/admin-api.ts'

interface RouteBody {
  readonly id: string
  readonly targets: readonly string[]
  readonly group: unknown
  readonly rules: readonly unknown[]
  readonly warnings: readonly string[]
  readonly data_policy: unknown
  readonly kid: string
  readonly error: unknown
}

const call = adminApi<RouteBody>()
const published = () => env.DIRECTORY.get<RoutingSnapshot>('routing', 'json')

beforeAll(() => applyD1Migrations(env.DB, env.TEST_MIGRATIONS))
beforeEach(async () => {
  await emptied('routes', 'targets', 'presets', 'virtual_keys', 'tenants')
  await call('POST', '/targets', { provider: 'openai', model: 'gpt-4o', id: 'a' })
  await call('POST', '/targets', { provider: 'openai', model: 'gpt-4o-mini', id: 'b' })
})

describe('routes', () => {
  it('choose by a strategy with weights, or by groups of groups, and warn of a fallback that is none', async () => {
    const made = await call('POST', '/routes', {
      model: 'fast',
      targets: ['a', 'b'],
      strategy: 'weighted',
      weights: { a: 99, b: 1 },
    })
    const group = {
      strategy: 'weighted',
      members: [
        { target: 'a', weight: 99 },
        { target: 'b', weight: 1 },
      ],
    }
    expect(made).toMatchObject({ status: 201, body: { targets: ['a', 'b'], group } })
    expect(made.body.warnings).toEqual([expect.stringContaining('All 2 targets are at openai')])
    expect((await published())?.routes).toEqual([
      { id: made.body.id, model: 'fast', tenantId: null, targets: ['a', 'b'], allowedGaps: [], group },
    ])
    const nested = {
      strategy: 'priority',
      members: ['b', { group: { strategy: 'sticky', by: ['user'], members: ['a'] }, weight: 2 }],
    }
    const changed = await call('PATCH', `/routes/${made.body.id}`, { group: nested })
    expect(changed.body).toMatchObject({
      targets: ['b', 'a'],
      group: {
        members: [
          { target: 'b', weight: 1 },
          { group: { strategy: 'sticky', by: ['user'] }, weight: 2 },
        ],
      },
    })
    expect((await call('PATCH', `/routes/${made.body.id}`, { group: changed.body.group })).body).toEqual(changed.body)
    expect((await call('PATCH', `/routes/${made.body.id}`, { allowed_gaps: ['n'] })).body.group).toEqual(
      changed.body.group,
    )
    expect((await call('PATCH', `/routes/${made.body.id}`, { group: null })).body).toMatchObject({
      targets: ['b', 'a'],
      group: null,
    })
  })

  it('have rules, whose targets serve by them alone', async () => {
    const rules = [
      { name: 'night', when: { number: 'hour', from: 22 }, do: { refuse: 'Not at night.' } },
      {
        name: 'long',
        when: { all: [{ number: 'prompt_tokens', from: 60_000 }, { not: { flag: 'images', is: true } }] },
        do: { use: { members: ['b'] } },
      },
      { name: 'eu', when: { text: 'metadata.region', in: ['eu-*'] }, do: { require_labels: ['eu'] } },
    ]
    const made = await call('POST', '/routes', { model: 'fast', targets: ['a'], rules })
    expect(made).toMatchObject({ status: 201, body: { targets: ['a', 'b'], group: { members: [{ target: 'a' }] } } })
    expect(made.body.rules).toMatchObject([rules[0], { name: 'long', when: rules[1]?.when }, rules[2]])
    const [route] = (await published())?.routes ?? []
    expect(route?.rules?.map((rule) => rule.do.kind)).toEqual(['refuse', 'use', 'require-labels'])
    expect((await call('PATCH', `/routes/${made.body.id}`, { rules: [] })).body.rules).toEqual([])
  })

  it('have a policy about data, as tenants, keys and targets do', async () => {
    await call('PATCH', '/targets/a', { data_region: 'eu', trains: false, force: true })
    const policy = { data_region: ['eu'], data_collection: 'deny', zdr: false }
    const made = await call('POST', '/routes', {
      model: 'kept',
      targets: ['a'],
      data_policy: { ...policy, zdr: false },
    })
    expect(made).toMatchObject({ status: 201, body: { data_policy: policy } })
    const [tenant, key] = [
      await call('POST', '/tenants', { name: 'kept', data_policy: { data_region: 'eu' } }),
      await call('POST', '/keys', { tenant: 'kept', name: 'k', data_policy: { zdr: true } }),
    ]
    expect(tenant.body.data_policy).toMatchObject({ data_region: ['eu'], data_collection: 'allow' })
    expect(await published()).toMatchObject({
      targets: { a: { dataRegion: 'eu', trains: false } },
      routes: [{ dataPolicy: { regions: ['eu'], noTraining: true } }],
    })
    expect(await env.DIRECTORY.get(`tenant:${tenant.body.id}`, 'json')).toMatchObject({
      dataPolicy: { regions: ['eu'] },
    })
    expect(await env.DIRECTORY.get(`key:${key.body.kid}`, 'json')).toMatchObject({
      dataPolicy: { zeroRetention: true },
    })
    expect((await call('PATCH', `/routes/${made.body.id}`, { data_policy: null })).body.data_policy).toBeNull()
    const wrong = await call('PATCH', `/routes/${made.body.id}`, { data_policy: { data_region: 'E U' } })
    expect(wrong).toMatchObject({ status: 422, body: { error: { field: expect.stringContaining('data_policy') } } })
  })

  it('have presets beside them, of everybody or of a tenant, checked and published', async () => {
    const tenant = (await call('POST', '/tenants', { name: 'preset' })).body.id
    const preset = { name: 'writer', parameters: { model: 'fast', temperature: 0.3 }, system: 'Be brief.' }
    const [all, own] = [
      await call('POST', '/presets', preset),
      await call('POST', '/presets', { ...preset, tenant: 'preset' }),
    ]
    expect(all).toMatchObject({ status: 201, body: { ...preset, tenant_id: null } })
    const changed = await call('PATCH', `/presets/${own.body.id}`, { system: null })
    expect(changed.body).toMatchObject({ parameters: preset.parameters, system: null, tenant_id: tenant })
    expect((await published())?.presets).toEqual([
      { name: 'writer', tenantId: null, members: preset.parameters, system: 'Be brief.' },
      { name: 'writer', tenantId: tenant, members: preset.parameters },
    ])
    expect((await call('POST', '/presets', preset)).status, 'twice').toBe(409)
    expect((await call('DELETE', `/tenants/${tenant}`)).status, 'has a preset').toBe(409)
    for (const [parameters, field] of [
      [{ messages: [] }, 'parameters.messages'],
      [{ stream: true }, 'parameters.stream'],
      [{ model: 'a@preset/b' }, 'parameters.model'],
      [{ provider: { sort: 'beauty' } }, 'parameters.provider.sort'],
      [{ user: 'u'.repeat(20_000) }, 'parameters'],
    ] as const) {
      const refused = await call('POST', '/presets', { name: 'wrong', parameters })
      expect(refused, field).toMatchObject({ status: 422, body: { error: { field } } })
    }
    expect((await call('DELETE', `/presets/${all.body.id}`)).status).toBe(204)
    expect((await published())?.presets).toHaveLength(1)
  })

  it.each([
    ['an unknown strategy', { targets: ['a'], strategy: 'random' }, 'strategy'],
    ['a weight of no target', { targets: ['a'], weights: { b: 1 } }, 'weights.b'],
    ['a negative weight', { targets: ['a'], weights: { a: -1 } }, 'weights.a'],
    ['a group beside targets', { targets: ['a'], group: { members: ['a'] } }, 'targets'],
    ['a group of strangers', { group: { members: ['none'] } }, 'targets[0]'],
    ['a group without members', { group: { members: [] } }, 'group.members'],
    ['nothing at all', {}, 'targets'],
    ['a rule without a name', { targets: ['a'], rules: [{ when: { all: [] }, do: { refuse: 'x' } }] }, 'rules[0].name'],
    [
      'a rule with a field that is none',
      { targets: ['a'], rules: [{ name: 'x', when: { text: 'colour', in: ['red'] }, do: { refuse: 'x' } }] },
      'rules[0].when',
    ],
    [
      'a rule that does two things',
      { targets: ['a'], rules: [{ name: 'x', when: { all: [] }, do: { refuse: 'x', exclude: ['a'] } }] },
      'rules[0].do',
    ],
  ])('are refused with %s', async (_, body, field) => {
    const refused = await call('POST', '/routes', { model: 'fast', ...body })
    expect(refused.body.error).toMatchObject({ field: expect.stringContaining(field) })
    expect([400, 422]).toContain(refused.status)
  })
})
