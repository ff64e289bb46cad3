// Rules by which people who sign in get their roles: made, listed, deleted, by the owner alone. Whoever may write them may
// become anybody.
import { Hono } from 'hono'
import * as z from 'zod/mini'
import { randomBase62 } from '../../core/virtual-key.ts'
import { GRANT_FIELDS, grantColumns, grantOf, readGrant, viewGrant } from './access-record.ts'
import { entryBy } from './caller.ts'
import { PAGE, paged } from '../http/paging.ts'
import type { AdminPorts, AdminTypes } from '../ports.ts'
import { type Refusal, notFound, refuse, unacceptable } from '../http/refusal.ts'
import { type RoleRuleRow, SOURCES } from './role-rules-record.ts'
import { OBJECT, text } from '../schemas.ts'
import { readRules } from '../sign-in/session-record.ts'
import { commit, deleteRow, findRow, insertRow } from '../store.ts'
import { jsonBody, query } from '../http/validate.ts'

/** All of them are asked with every call of a session. */
const RULES_MAX = 500
const CLAIM_ALLOWED = 'must be the name of a claim, such as email or groups'
const ALL_SOURCES = [...SOURCES, 'any'] as const

const NEW_RULE = z.strictObject(
  {
    source: z.optional(z.enum(ALL_SOURCES, `must be one of ${ALL_SOURCES.join(', ')}`)),
    claim: z.string(CLAIM_ALLOWED).check(z.regex(/^[A-Za-z0-9_:./-]{1,100}$/, CLAIM_ALLOWED)),
    value: text(300),
    ...GRANT_FIELDS,
  },
  OBJECT,
)

/** The admin API's `/access/rules`. */
export function roleRuleEndpoints(ports: AdminPorts) {
  return new Hono<AdminTypes>()
    .get('/', query(PAGE), async (c) => c.json(paged(c.req.valid('query'), await readRules(c.env.DB), viewRule)))
    .post('/', jsonBody(NEW_RULE), async (c) => {
      const body = c.req.valid('json')
      const grant = await readGrant(c.env.DB, body)
      if (!grant.ok) return refuse(c, grant.error)
      if (body.value.startsWith('*') && !(body.claim === 'email' && /^\*@[^*@]+$/.test(body.value)))
        return refuse(c, WIDE)
      if ((await readRules(c.env.DB)).length >= RULES_MAX) return refuse(c, TOO_MANY)
      const row: RoleRuleRow = {
        id: `rule_${randomBase62(14, ports.randomBytes)}`,
        source: body.source ?? 'any',
        claim: body.claim,
        value: body.value,
        ...grantColumns(grant.value),
        created_at_ms: ports.nowMs(),
      }
      await commit(c.env.DB, insertRow(c.env.DB, 'role_rules', row), entryBy(c))
      return c.json(viewRule(row), 201)
    })
    .delete('/:id', async (c) => {
      const row = await findRow<RoleRuleRow>(c.env.DB, 'role_rules', c.req.param('id'))
      if (row === null) return refuse(c, notFound('rule', c.req.param('id')))
      await commit(c.env.DB, deleteRow(c.env.DB, 'role_rules', row.id), entryBy(c))
      return c.body(null, 204)
    })
}

function viewRule(row: RoleRuleRow) {
  const { id, source, claim, value, created_at_ms } = row
  return { id, source, claim, value, ...viewGrant(grantOf(row)), created_at_ms }
}

const WIDE = unacceptable('value', 'invalid_field', 'value must be exact, or for email a domain as "*@example.com".')
const TOO_MANY: Refusal = {
  status: 409,
  code: 'too_many',
  field: null,
  message: `There are ${RULES_MAX} rules already: delete some, or ask for a group rather than for people.`,
}
