// Rotating a virtual key: another secret under the same key, and those of before taken for a while longer, or no longer. Whatever
// else is known of the key stays.
import { Hono, type Context } from 'hono'
import * as z from 'zod/mini'
import { err, ok, type Result } from '../../core/result.ts'
import { formatVirtualKey } from '../../core/virtual-key.ts'
import { announce } from '../publish/announce.ts'
import { entryBy } from '../access/caller.ts'
import { NO_PEPPER, PEPPER_LENGTH_MIN, mintSecret, statusOf, unknownKey, viewKey } from './key-record.ts'
import { endOldSecrets, endsToTell, oldSecrets, readSecrets, replaceSecret } from './key-secrets.ts'
import type { AdminPorts, AdminTypes } from '../ports.ts'
import { publishKey, pushLimits } from '../publish/publish.ts'
import { type Refusal, refuse, unacceptable } from '../http/refusal.ts'
import { EXPIRES_AT, OVERLAP, OVERLAP_SECONDS, endOf } from '../rotation.ts'
import { OBJECT } from '../schemas.ts'
import { type Change, type KeyRow, commit, findRow } from '../store.ts'
import { jsonBody } from '../http/validate.ts'

const ROTATION = z.strictObject({ overlap_seconds: OVERLAP, expires_at: EXPIRES_AT }, OBJECT)
/** Times that a key may be changed by others while its secrets are. */
const ROUNDS_MAX = 5

/** The admin API's `/keys/:id/rotate`. */
export function keyRotationEndpoints(ports: AdminPorts) {
  return new Hono<AdminTypes>()
    .post('/:id/rotate', jsonBody(ROTATION), async (c) => {
      if ((c.env.KEY_PEPPER ?? '').length < PEPPER_LENGTH_MIN) return refuse(c, NO_PEPPER)
      const { overlap_seconds: overlapSeconds = OVERLAP_SECONDS, expires_at } = c.req.valid('json')
      let text = ''
      const changed = await changeSecrets(c, 'rotate', async (before) => {
        const nowMs = ports.nowMs()
        const expiresAtMs = endOf(expires_at, before.expires_at_ms)
        const problem = problemOf(before, expires_at === undefined, expiresAtMs, nowMs)
        if (problem !== null) return err(problem)
        const { key, secret } = await mintSecret(c.env, ports, { kid: before.kid, nowMs })
        text = formatVirtualKey(key)
        const secrets = replaceSecret(readSecrets(before.hashes), secret, { nowMs, overlapMs: overlapSeconds * 1000 })
        if (!secrets.ok) return secrets
        return ok({ ...before, hashes: JSON.stringify(secrets.value), expires_at_ms: expiresAtMs })
      })
      if (!changed.ok) return refuse(c, changed.error)
      const unpublished = await announceSecrets(c, changed.value, ports.nowMs())
      // It is told even so: the change stands, and nobody else will ever know it.
      if (unpublished !== null) return refuse(c, unpublished, { key: text })
      return c.json({ ...viewKey(changed.value, ports.nowMs()), key: text })
    })
    .post('/:id/rotate/finish', async (c) => {
      const changed = await changeSecrets(c, 'change', async (before) => {
        const secrets = readSecrets(before.hashes)
        if (oldSecrets(secrets, ports.nowMs()).length === 0) return ok(before)
        return ok({ ...before, hashes: JSON.stringify(endOldSecrets(secrets, ports.nowMs())) })
      })
      if (!changed.ok) return refuse(c, changed.error)
      const unpublished = await announceSecrets(c, changed.value, ports.nowMs())
      return unpublished === null ? c.json(viewKey(changed.value, ports.nowMs())) : refuse(c, unpublished)
    })
}

/** Makes of a key what `work` says, if it has the secrets by then that it was made from; the key as it is then. */
async function changeSecrets(
  c: Context<AdminTypes>,
  verb: 'rotate' | 'change',
  work: (before: KeyRow) => Promise<Result<KeyRow, Refusal>>,
): Promise<Result<KeyRow, Refusal>> {
  const { DB: db } = c.env
  const id = c.req.param('id') ?? ''
  for (let round = 0; round < ROUNDS_MAX; round++) {
    const before = await findRow<KeyRow>(db, 'virtual_keys', id)
    if (before === null) return err(unknownKey(id))
    const after = await work(before)
    if (!after.ok || after.value === before) return after
    const committed = await commit(db, { ...secretsChange(db, before, after.value), verb }, entryBy(c))
    if (committed.ok) return after
  }
  return err(BUSY)
}

/** Nobody else's change is lost by it, a revocation least of all. */
function secretsChange(db: D1Database, before: KeyRow, after: KeyRow): Change {
  const statement = db
    .prepare(
      `UPDATE virtual_keys SET hashes = ?1, expires_at_ms = ?2
       WHERE id = ?3 AND hashes = ?4 AND expires_at_ms IS ?5 AND revoked_at_ms IS ?6`,
    )
    .bind(after.hashes, after.expires_at_ms, after.id, before.hashes, before.expires_at_ms, before.revoked_at_ms)
  return { table: 'virtual_keys', id: after.id, after, statement }
}

/** The directory first: before anybody is told that an old secret has ended, the new one is there. */
function announceSecrets(c: Context<AdminTypes>, row: KeyRow, nowMs: number): Promise<Refusal | null> {
  return announce(async () => {
    await publishKey(c.env, row)
    if (endsToTell(row.id, row.hashes, nowMs).length > 0) await pushLimits(c.env, row.tenant_id)
  })
}

function problemOf(row: KeyRow, staysAsLong: boolean, expiresAtMs: number | null, nowMs: number): Refusal | null {
  if (row.revoked_at_ms !== null) return REVOKED
  if (staysAsLong) return statusOf(row, nowMs) === 'expired' ? EXPIRED : null
  return expiresAtMs !== null && expiresAtMs <= nowMs ? PAST : null
}

const REVOKED: Refusal = {
  status: 409,
  code: 'revoked',
  field: null,
  message: 'The key was revoked, for good: mint another one.',
}
const EXPIRED: Refusal = {
  status: 409,
  code: 'expired',
  field: 'expires_at',
  message: 'The key has expired: give it an expires_at in the future, or null.',
}
const PAST = unacceptable('expires_at', 'invalid_field', 'expires_at must be in the future.')
const BUSY: Refusal = {
  status: 409,
  code: 'busy',
  field: null,
  message: 'The key is being changed by others at the same time: try again.',
}
