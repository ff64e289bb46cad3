// Who may do what, said a second time: what each role may call, endpoint by endpoint, for every endpoint that the router has.
import { describe, expect, it } from 'vitest'
import { createAdmin } from '../../src/control-plane/admin.ts'
import {
  type Grant,
  PERMISSIONS,
  ROLES,
  SCOPES_OF,
  type Scope,
  covers,
  endpointsOf,
  isWithin,
  mayCall,
  permissionOf,
  strongest,
} from '../../src/control-plane/access/permissions.ts'
import { type Claims, grantFor, keptClaims, readClaims } from '../../src/control-plane/access/role-rules-record.ts'
import { countedAs } from '../../src/control-plane/access/attempts.ts'
import { formatApiToken, mintApiToken, parseApiToken } from '../../src/core/api-token.ts'

const DEPLOYMENT: Scope = { kind: 'deployment' }
const ACME: Scope = { kind: 'tenant', tenantId: 'acme' }
const SEARCH: Scope = { kind: 'team', tenantId: 'acme', teamId: 'search' }
const GRANTS = {
  O: { role: 'owner', scope: DEPLOYMENT },
  A: { role: 'admin', scope: DEPLOYMENT },
  V: { role: 'viewer', scope: DEPLOYMENT },
  a: { role: 'admin', scope: ACME },
  v: { role: 'viewer', scope: ACME },
  l: { role: 'lead', scope: SEARCH },
} as const satisfies Readonly<Record<string, Grant>>

/** Owner, admin and viewer of everything; admin and viewer of a tenant; lead of a team. */
const EXPECTED = `
  open   GET /sign-in, GET /sign-in/access, GET /sign-in/oidc, GET /sign-in/callback
  OAVavl GET /me, POST /sign-out, GET /access/sessions, DELETE /access/sessions/:id
  OAVavl GET /audit, GET /overview, GET /usage, GET /reports, GET /forecast, GET /exports/:what{events|focus}, GET /alerts
  OAVavl GET /summary, GET /summary/history, GET /live
  OAVavl GET /requests, GET /requests/in-flight, GET /tenants, GET /teams, GET /teams/:id
  OAVavl GET /keys, GET /keys/use, GET /keys/lines, GET /keys/names, GET /keys/:id, GET /keys/:id/limits, GET /keys/:id/requests
  OAal   POST /keys, PATCH /keys/:id, POST /keys/:id/revoke, POST /keys/:id/rotate, POST /keys/:id/rotate/finish, DELETE /keys/:id
  OAal   PATCH /teams/:id, POST /requests/:id/cancel
  OAVav  GET /tenants/:id, GET /tenants/:tenant/end-users, GET /tenants/:tenant/end-users/:user, GET /alert-rules/:tenant
  OAa    PUT /tenants/:tenant/end-users/:user, DELETE /tenants/:tenant/end-users/:user
  OAa    PUT /alert-rules/:tenant, DELETE /alert-rules/:tenant, POST /teams, DELETE /teams/:id
  OAa    GET /requests/:id/bodies, GET /access/tokens, POST /access/tokens, POST /access/tokens/:id/rotate, POST /access/tokens/:id/revoke
  OAV    GET /targets, GET /targets/:id, GET /routes, GET /routes/:id, GET /presets, GET /presets/:id, GET /switches, GET /breakers
  OAV    GET /prices, GET /prices/:id, GET /alert-channels, GET /alert-channels/:id, GET /alert-rules
  OAV    GET /configuration, GET /configuration/revisions, GET /configuration/revisions/:revision
  OA     POST /tenants, PATCH /tenants/:id, DELETE /tenants/:id
  OA     GET /credentials, POST /credentials, GET /credentials/:name, DELETE /credentials/:name
  OA     POST /credentials/:name/rotate, POST /credentials/:name/check, POST /credentials/reseal
  OA     POST /targets, PATCH /targets/:id, DELETE /targets/:id, POST /routes, PATCH /routes/:id, DELETE /routes/:id
  OA     POST /presets, PATCH /presets/:id, DELETE /presets/:id, PUT /switches/:kind/:id{.+}, POST /publish
  OA     POST /prices, DELETE /prices/:id, POST /prices/refresh, PUT /prices/pin, POST /rerate, POST /reconcile
  OA     POST /alert-channels, PATCH /alert-channels/:id, DELETE /alert-channels/:id, POST /alert-channels/:id/test
  OA     PUT /alert-rules, DELETE /alert-rules
  OA     POST /configuration/plan, POST /configuration/apply, POST /configuration/rollback
  O      GET /access/rules, POST /access/rules, DELETE /access/rules/:id
`

const expected = new Map(
  EXPECTED.trim()
    .split('\n')
    .flatMap((line) => {
      const [, who = '', endpoints = ''] = /^\s*(\S+)\s+(.*)$/.exec(line) ?? []
      return endpoints.split(', ').map((endpoint) => [endpoint, who] as const)
    }),
)

const admin = createAdmin({ probe: async () => ({ ok: true, status: 200, latencyMs: 1, saw: 'ok' }) })
const endpoints = [
  ...new Set(admin.routes.filter(({ method }) => method !== 'ALL').map(({ method, path }) => `${method} ${path}`)),
]

describe('the table of permissions', () => {
  it('names every endpoint that the router has, and no other', () => {
    expect(endpoints.length).toBeGreaterThan(50)
    expect(Object.keys(PERMISSIONS).toSorted()).toEqual(endpoints.toSorted())
    expect([...expected.keys()].toSorted()).toEqual(endpoints.toSorted())
  })

  it.each(endpoints)('lets into %s whom it should, and nobody else', (endpoint) => {
    const permission = permissionOf(endpoint)
    const who =
      permission === 'open'
        ? 'open'
        : Object.entries(GRANTS).flatMap(([name, grant]) => (mayCall(grant, permission) ? [name] : []))
    expect([...who].toSorted().join('')).toBe([...(expected.get(endpoint) ?? '')].toSorted().join(''))
  })

  it('leaves what nobody has thought of to the owner alone', () => {
    const permission = permissionOf('POST /not-thought-of')
    if (permission === 'open') throw new Error('open to everybody')
    expect(
      Object.entries(GRANTS)
        .filter(([, grant]) => mayCall(grant, permission))
        .map(([name]) => name),
    ).toEqual(['O'])
    expect(permissionOf('constructor')).toEqual(permission)
  })

  it('tells a page what its reader may do', () => {
    expect(endpointsOf(GRANTS.l)).toContain('POST /keys')
    expect(endpointsOf(GRANTS.v)).not.toContain('POST /keys')
    expect(endpointsOf(GRANTS.O)).toHaveLength(endpoints.length - 4)
  })
})

describe('a grant', () => {
  it('reaches what is within its scope', () => {
    const within = (scope: Scope) =>
      [
        [null, null],
        ['acme', null],
        ['acme', 'search'],
        ['acme', 'ads'],
        ['globex', null],
        ['globex', 'search'],
      ].map(([tenant = null, team = null]) => isWithin(scope, tenant, team))
    expect(within(DEPLOYMENT)).toEqual([true, true, true, true, true, true])
    expect(within(ACME)).toEqual([false, true, true, true, false, false])
    expect(within(SEARCH)).toEqual([false, false, true, false, false, false])
  })

  it('gives no more than it has', () => {
    const all = ROLES.flatMap((role) =>
      SCOPES_OF[role].map((kind): Grant => ({
        role,
        scope: kind === 'deployment' ? DEPLOYMENT : kind === 'tenant' ? ACME : SEARCH,
      })),
    )
    const given = (own: Grant) =>
      all.filter((other) => covers(own, other)).map(({ role, scope }) => `${role} ${scope.kind}`)
    expect(given(GRANTS.O)).toHaveLength(all.length)
    expect(given(GRANTS.A)).toEqual([
      'viewer deployment',
      'viewer tenant',
      'lead team',
      'admin deployment',
      'admin tenant',
    ])
    expect(given(GRANTS.a)).toEqual(['viewer tenant', 'lead team', 'admin tenant'])
    expect(covers(GRANTS.a, { role: 'viewer', scope: { kind: 'tenant', tenantId: 'globex' } })).toBe(false)
  })

  it('that is the furthest of several counts', () => {
    expect(strongest([])).toBeNull()
    expect(strongest([GRANTS.v, GRANTS.l, GRANTS.V])).toEqual(GRANTS.l)
    expect(strongest([GRANTS.a, GRANTS.A, GRANTS.l])).toEqual(GRANTS.A)
  })
})

describe('rules for those who sign in', () => {
  const rule = (
    claim: string,
    value: string,
    grant: keyof typeof GRANTS,
    source: 'any' | 'access' | 'oidc' = 'any',
  ) => {
    const { role, scope } = GRANTS[grant]
    const tenant_id = scope.kind === 'deployment' ? null : scope.tenantId
    const team_id = scope.kind === 'team' ? scope.teamId : null
    return { id: 'r', source, claim, value, role, tenant_id, team_id, created_at_ms: 0 }
  }

  it.each<[Claims, string, string, boolean]>([
    [{ email: 'Ann@Example.com' }, 'email', 'ann@example.com', true],
    [{ email: 'ann@example.com' }, 'email', '*@example.com', true],
    [{ email: 'ann@evil-example.com' }, 'email', '*@example.com', false],
    [{ email: 'ann@example.com@evil.com' }, 'email', '*@example.com', false],
    [{ email: '@example.com' }, 'email', '*@example.com', false],
    [{ email: 'ann@example.com.evil.com' }, 'email', '*@example.com', false],
    [{ groups: ['a', 'admins'] }, 'groups', 'admins', true],
    [{ groups: 'admins' }, 'groups', 'admins', true],
    [{ groups: ['Admins'] }, 'groups', 'admins', false],
    [{ groups: ['*@x'] }, 'groups', '*@y', false],
    [{ groups: [] }, 'groups', 'admins', false],
    [{}, 'groups', 'admins', false],
    [{}, 'constructor', 'Object', false],
  ])('%j is %s %s: %s', (claims, claim, value, isMet) => {
    expect(grantFor('oidc', claims, [rule(claim, value, 'A')]) !== null).toBe(isMet)
  })

  it('of one source say nothing of another, and the furthest that any gives counts', () => {
    expect(grantFor('oidc', { groups: ['x'] }, [rule('groups', 'x', 'O', 'access')])).toBeNull()
    const rules = [rule('groups', 'x', 'v'), rule('groups', 'y', 'A', 'oidc'), rule('groups', 'z', 'O')]
    expect(grantFor('oidc', { groups: ['x', 'y'] }, rules)).toEqual(GRANTS.A)
  })

  it('are met by what is kept of the claims: what they ask for, and an address that is verified', () => {
    const said = {
      email: 'a@b.c',
      groups: ['x', 5, 'y'],
      department: 'ml',
      picture: 'https://…',
      sub: '1',
      roles: { no: 1 },
    }
    expect(keptClaims(said, [rule('department', 'ml', 'v')], true)).toEqual({
      email: 'a@b.c',
      groups: ['x', 'y'],
      department: 'ml',
    })
    expect(keptClaims(said, [rule('email', 'a@b.c', 'v')], false)).toEqual({ groups: ['x', 'y'] })
    expect(readClaims(JSON.stringify({ groups: ['x'], odd: 5 }))).toEqual({ groups: ['x'] })
    expect(readClaims('nonsense')).toEqual({})
  })
})

describe('an API token', () => {
  const bytes = (count: number) => Uint8Array.from({ length: count }, (_, at) => (at * 7) % 240)

  it('reads back as it was written, and not with a letter changed', () => {
    const token = mintApiToken(bytes)
    const text = formatApiToken(token)
    expect(text).toMatch(/^tgt_[0-9A-Za-z]{10}_[0-9A-Za-z]{32}_[0-9A-Za-z]{6}$/)
    expect(parseApiToken(text)).toEqual({ ok: true, value: token })
    expect(mintApiToken(bytes, 'abcdefghij').kid).toBe('abcdefghij')
    expect(parseApiToken(`${text.slice(0, 20)}~${text.slice(21)}`)).toEqual({ ok: false, error: 'malformed' })
    const other = text.charAt(20) === 'a' ? 'b' : 'a'
    expect(parseApiToken(text.slice(0, 20) + other + text.slice(21))).toEqual({ ok: false, error: 'checksum' })
  })
})

describe('wrong tokens are counted', () => {
  it.each([
    [null, 'unknown'],
    ['203.0.113.7', '203.0.113.7'],
    ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
    ['2001:db8:1:2::ffff', '2001:db8:1:2::/64'],
    ['::ffff:203.0.113.7', '::ffff:cb00:7107'],
  ])('for %s as those of %s', (address, counted) => {
    expect(countedAs(address)).toBe(counted)
  })
})
