// API tokens: minted, listed, rotated, revoked, by whoever has at least what they open. Shown once, when they are made.
import { Hono, type Context } from 'hono'
import * as z from 'zod/mini'
import { apiTokenPrefix, formatApiToken, mintApiToken } from '../../core/api-token.ts'
import { err, ok, type Result } from '../../core/result.ts'
import { randomBase62 } from '../../core/virtual-key.ts'
import { GRANT_FIELDS, type GrantBody, grantColumns, grantOf, readGrant, viewGrant } from './access-record.ts'
import { type ApiTokenRow, stateOf } from './api-token-record.ts'
import { entryBy } from './caller.ts'
import { hmacHex } from '../digest.ts'
import { NO_PEPPER, PEPPER_LENGTH_MIN } from '../keys/key-record.ts'
import { type Grant, covers, isWithin, teamOf, tenantOf } from './permissions.ts'
import { PAGE, paged } from '../http/paging.ts'
import type { AdminPorts, AdminTypes } from '../ports.ts'
import { type Refusal, notFound, notStored, refuse, unacceptable } from '../http/refusal.ts'
import { EXPIRES_AT, OVERLAP, OVERLAP_SECONDS, endOf } from '../rotation.ts'
import { NAME, OBJECT } from '../schemas.ts'
import { commit, findRow, insertRow, listRows, updateRow } from '../store.ts'
import { unknownTenant } from '../tenants/teams.ts'
import { jsonBody, query } from '../http/validate.ts'

/** Unless another end is given, or none: 90 days. */
const LIFE_MS = 90 * 86_400_000

const NEW_TOKEN = z.strictObject({ name: NAME, ...GRANT_FIELDS, expires_at: EXPIRES_AT }, OBJECT)
const ROTATION = z.strictObject({ overlap_seconds: OVERLAP, expires_at: EXPIRES_AT }, OBJECT)

/** The admin API's `/access/tokens`. */
export function apiTokenEndpoints(ports: AdminPorts) {
  return new Hono<AdminTypes>()
    .get('/', query(PAGE), async (c) => {
      const rows = await listRows<ApiTokenRow>(c.env.DB, 'api_tokens')
      const own = c.get('caller').grant
      const shown = rows.filter((row) => covers(own, grantOf(row)))
      return c.json(paged(c.req.valid('query'), shown, (row) => viewToken(row, ports.nowMs())))
    })
    .post('/', jsonBody(NEW_TOKEN), async (c) => {
      const body = c.req.valid('json')
      const pepper = c.env.KEY_PEPPER ?? ''
      if (pepper.length < PEPPER_LENGTH_MIN) return refuse(c, NO_PEPPER)
      const grant = await grantToGive(c, body)
      if (!grant.ok) return refuse(c, grant.error)
      const expiresAtMs = endOf(body.expires_at, ports.nowMs() + LIFE_MS)
      if (expiresAtMs !== null && expiresAtMs <= ports.nowMs()) return refuse(c, PAST)
      const token = mintApiToken(ports.randomBytes)
      const row: ApiTokenRow = {
        id: `tok_${randomBase62(14, ports.randomBytes)}`,
        kid: token.kid,
        name: body.name,
        digest: await hmacHex(pepper, token.secret),
        previous_digest: null,
        previous_until_ms: null,
        ...grantColumns(grant.value),
        created_by: c.get('caller').who,
        created_at_ms: ports.nowMs(),
        expires_at_ms: expiresAtMs,
        revoked_at_ms: null,
        used_hour_ms: null,
      }
      const committed = await commit(c.env.DB, insertRow(c.env.DB, 'api_tokens', row), entryBy(c))
      if (!committed.ok) return refuse(c, notStored(committed.error, notFound('token', row.id)))
      return c.json({ ...viewToken(row, ports.nowMs()), token: formatApiToken(token) }, 201)
    })
    .post('/:id/rotate', jsonBody(ROTATION), async (c) => {
      const { overlap_seconds: overlapSeconds = OVERLAP_SECONDS, expires_at } = c.req.valid('json')
      const before = await tokenOf(c, c.req.param('id'))
      if (before === null) return refuse(c, notFound('token', c.req.param('id')))
      const nowMs = ports.nowMs()
      const expiresAtMs = endOf(expires_at, before.expires_at_ms)
      if (before.revoked_at_ms !== null) return refuse(c, REVOKED)
      if (expiresAtMs !== null && expiresAtMs <= nowMs) return refuse(c, PAST)
      const token = mintApiToken(ports.randomBytes, before.kid)
      const row: ApiTokenRow = {
        ...before,
        digest: await hmacHex(c.env.KEY_PEPPER ?? '', token.secret),
        previous_digest: before.digest,
        previous_until_ms: nowMs + overlapSeconds * 1000,
        expires_at_ms: expiresAtMs,
      }
      await commit(c.env.DB, updateRow(c.env.DB, 'api_tokens', row), entryBy(c))
      return c.json({ ...viewToken(row, nowMs), token: formatApiToken(token) })
    })
    .post('/:id/revoke', async (c) => {
      const before = await tokenOf(c, c.req.param('id'))
      if (before === null) return refuse(c, notFound('token', c.req.param('id')))
      const row: ApiTokenRow = { ...before, revoked_at_ms: before.revoked_at_ms ?? ports.nowMs() }
      if (before.revoked_at_ms === null) await commit(c.env.DB, updateRow(c.env.DB, 'api_tokens', row), entryBy(c))
      return c.json(viewToken(row, ports.nowMs()))
    })
}

/** The token, where the caller may do with it what it wants; what is beyond them isn't there. */
async function tokenOf(c: Context<AdminTypes>, id: string): Promise<ApiTokenRow | null> {
  const row = await findRow<ApiTokenRow>(c.env.DB, 'api_tokens', id)
  return row !== null && covers(c.get('caller').grant, grantOf(row)) ? row : null
}

/** The grant that a body asks for, where the caller has as much. Whether others' tenants exist is not told. */
async function grantToGive(c: Context<AdminTypes>, body: GrantBody): Promise<Result<Grant, Refusal>> {
  const found = await readGrant(c.env.DB, body)
  if (!found.ok) return found
  const { grant: own } = c.get('caller')
  const { scope } = found.value
  if (!isWithin(own.scope, tenantOf(scope), teamOf(scope))) {
    return err(scope.kind === 'deployment' ? BEYOND : unknownTenant(body.tenant ?? ''))
  }
  return covers(own, found.value) ? ok(found.value) : err(BEYOND)
}

function viewToken(row: ApiTokenRow, nowMs: number) {
  return {
    id: row.id,
    name: row.name,
    prefix: apiTokenPrefix(row.kid),
    ...viewGrant(grantOf(row)),
    status: stateOf(row, nowMs),
    created_by: row.created_by,
    created_at_ms: row.created_at_ms,
    expires_at_ms: row.expires_at_ms,
    /** Within the hour that begins then. */
    last_used_hour_ms: row.used_hour_ms,
    previous_until_ms: (row.previous_until_ms ?? 0) > nowMs ? row.previous_until_ms : null,
  }
}

const BEYOND: Refusal = {
  status: 403,
  code: 'forbidden',
  field: 'role',
  message: 'Nobody gives more than they have: ask for a lesser role, or for less than everything.',
}
const PAST = unacceptable('expires_at', 'invalid_field', 'expires_at must be in the future.')
const REVOKED: Refusal = {
  status: 409,
  code: 'revoked',
  field: null,
  message: 'The token was revoked: mint another one.',
}
