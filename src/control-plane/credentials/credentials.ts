// Providers' credentials: stored encrypted, or a name for a secret that the Worker has. Create, list, read, replace, try out,
// delete. A value goes in and never comes out; what is told of one is its last characters, when it was set, and who uses it.
import { Hono } from 'hono'
import type { JsonObject } from '../../core/json.ts'
import { err, ok, type Result } from '../../core/result.ts'
import { KEY_FORM, type MasterKeys, masterProblem, seal, sealedUnder } from '../../ledger/credentials/seal.ts'
import { announce } from '../publish/announce.ts'
import { entryBy } from '../access/caller.ts'
import { checkCredential } from './check-credential.ts'
import {
  CREDENTIALS_MAX,
  type CredentialRow,
  type FormerValue,
  type KeptCredential,
  type ValueRow,
  findCredential,
  fingerprintOf,
  heldOf,
  listCredentials,
  placeOf,
  readValue,
  usesOf,
} from './credential-record.ts'
import { NEW_CREDENTIAL, ROTATION } from './credential-schemas.ts'
import { PAGE, paged } from '../http/paging.ts'
import type { AdminPorts, AdminTypes } from '../ports.ts'
import { publishRouting } from '../publish/publish.ts'
import { type Refusal, exists, notFound, notStored, referenced, refuse, unacceptable } from '../http/refusal.ts'
import { OVERLAP_SECONDS } from '../rotation.ts'
import { resealAll, rotateCredential, valueStatement } from './credential-store.ts'
import { commit, deleteRow, insertRow } from '../store.ts'
import { jsonBody, query } from '../http/validate.ts'

const USES_SHOWN_MAX = 10

/** The admin API's `/credentials`. */
export function credentialEndpoints(ports: AdminPorts) {
  return new Hono<AdminTypes>()
    .post('/', jsonBody(NEW_CREDENTIAL), async (c) => {
      const { name, provider = null, ...content } = c.req.valid('json')
      const nowMs = ports.nowMs()
      if ((await listCredentials(c.env.DB)).length >= CREDENTIALS_MAX) return refuse(c, FULL)
      const made = await contentOf({ id: name, version: 1 }, content, c.env, nowMs)
      if (!made.ok) return refuse(c, made.error)
      const { value, reference } = made.value
      const kind = reference === null ? 'stored' : 'secret'
      const row: CredentialRow = { id: name, provider, kind, reference, created_at_ms: nowMs }
      const more = [valueStatement(c.env.DB, value)]
      const committed = await commit(c.env.DB, insertRow(c.env.DB, 'credentials', row), entryBy(c), more)
      if (!committed.ok) return refuse(c, notStored(committed.error, taken(name)))
      const problem = await announce(() => publishRouting(c.env))
      return problem === null ? c.json(await viewOne({ row, value }, c.env), 201) : refuse(c, problem)
    })
    .get('/', query(PAGE), async (c) => {
      const [kept, uses] = await Promise.all([listCredentials(c.env.DB), usesOf(c.env.DB)])
      const shown = new Map(
        await Promise.all(
          kept.map(async (one) => [one.row.id, await viewCredential(one, uses, c.env, ports.nowMs())] as const),
        ),
      )
      const rows = kept.map(({ row }) => row)
      return c.json(paged(c.req.valid('query'), rows, ({ id }) => shown.get(id)))
    })
    .post('/reseal', async (c) => {
      const problem = await masterProblem(c.env)
      if (problem !== null) return refuse(c, noKey(problem))
      const done = await resealAll(c.env, entryBy(c))
      const unpublished = await announce(() => publishRouting(c.env))
      return unpublished === null ? c.json(done) : refuse(c, unpublished)
    })
    .get('/:name', async (c) => {
      const kept = await findCredential(c.env.DB, c.req.param('name'))
      return kept === null ? refuse(c, none(c.req.param('name'))) : c.json(await viewOne(kept, c.env))
    })
    .post('/:name/rotate', jsonBody(ROTATION), async (c) => {
      const { overlap_seconds: overlapSeconds = OVERLAP_SECONDS, ...content } = c.req.valid('json')
      const before = await findCredential(c.env.DB, c.req.param('name'))
      if (before === null) return refuse(c, none(c.req.param('name')))
      const after = await replaced(before, content, { overlapSeconds, nowMs: ports.nowMs(), env: c.env })
      if (!after.ok) return refuse(c, after.error)
      await rotateCredential(c.env.DB, after.value, entryBy(c))
      const problem = await announce(() => publishRouting(c.env))
      return problem === null ? c.json(await viewOne(after.value, c.env)) : refuse(c, problem)
    })
    .post('/:name/check', async (c) => {
      const kept = await findCredential(c.env.DB, c.req.param('name'))
      if (kept === null) return refuse(c, none(c.req.param('name')))
      return c.json(await checkCredential(kept, c.env, ports))
    })
    .delete('/:name', async (c) => {
      const kept = await findCredential(c.env.DB, c.req.param('name'))
      if (kept === null) return refuse(c, none(c.req.param('name')))
      const uses = (await usesOf(c.env.DB)).get(kept.row.id) ?? []
      if (uses.length > 0) return refuse(c, inUse(uses))
      await commit(c.env.DB, deleteRow(c.env.DB, 'credentials', kept.row.id), entryBy(c))
      const problem = await announce(() => publishRouting(c.env))
      return problem === null ? c.body(null, 204) : refuse(c, problem)
    })

  async function viewOne(kept: KeptCredential, env: AdminTypes['Bindings']) {
    return viewCredential(kept, await usesOf(env.DB), env, ports.nowMs())
  }
}

interface Content {
  readonly value?: string | JsonObject | undefined
  readonly secret?: string | undefined
}

/** What a credential is to be: encrypted, or the name of a secret. */
async function contentOf(
  about: { readonly id: string; readonly version: number },
  { value: given, secret }: Content,
  env: AdminTypes['Bindings'],
  nowMs: number,
): Promise<Result<{ readonly value: ValueRow; readonly reference: string | null }, Refusal>> {
  if ((given === undefined) === (secret === undefined)) return err(EITHER)
  const blank = { ...about, sealed: null, fingerprint: null, set_at_ms: nowMs, previous: null, previous_until_ms: null }
  if (given === undefined) {
    if (secret === undefined || placeOf(secret, env) === null) return err(unset(secret ?? ''))
    return ok({ value: blank, reference: secret })
  }
  const text = readValue(given)
  if (!text.ok) return text
  const sealed = await seal(env, about, text.value)
  if (!sealed.ok) return err(noKey(sealed.error))
  return ok({ value: { ...blank, sealed: sealed.value, fingerprint: fingerprintOf(text.value) }, reference: null })
}

interface Replacing {
  readonly overlapSeconds: number
  readonly nowMs: number
  readonly env: AdminTypes['Bindings']
}

/** A credential with another value, and what it was for as long as that is still tried. */
async function replaced(
  before: KeptCredential,
  content: Content,
  { overlapSeconds, nowMs, env }: Replacing,
): Promise<Result<{ readonly row: CredentialRow; readonly value: ValueRow }, Refusal>> {
  const version = (before.value?.version ?? 1) + 1
  const made = await contentOf({ id: before.row.id, version }, content, env, nowMs)
  if (!made.ok) return made
  const { reference } = made.value
  const row: CredentialRow = { ...before.row, kind: reference === null ? 'stored' : 'secret', reference }
  return ok({ row, value: { ...made.value.value, ...formerOf(before, overlapSeconds, nowMs) } })
}

/** What is replaced, as the columns that keep it. */
function formerOf(
  before: KeptCredential,
  overlapSeconds: number,
  nowMs: number,
): Pick<ValueRow, 'previous' | 'previous_until_ms'> {
  const was = heldOf(before)
  if (overlapSeconds === 0 || 'isMissing' in was) return { previous: null, previous_until_ms: null }
  const former: FormerValue = { version: before.value?.version ?? 1, was }
  return { previous: JSON.stringify(former), previous_until_ms: nowMs + overlapSeconds * 1000 }
}

/** A credential as the API shows it. */
async function viewCredential(
  { row, value }: KeptCredential,
  uses: ReadonlyMap<string, readonly string[]>,
  env: AdminTypes['Bindings'],
  nowMs: number,
) {
  const version = value?.version ?? 1
  const untilMs = value?.previous_until_ms ?? 0
  return {
    name: row.id,
    provider: row.provider,
    kind: row.kind === 'stored' ? 'stored' : (placeOf(row.reference ?? '', env) ?? 'worker-secret'),
    secret: row.reference,
    fingerprint: value?.fingerprint ?? null,
    version,
    created_at_ms: row.created_at_ms,
    rotated_at_ms: value !== null && version > 1 ? value.set_at_ms : null,
    /** Until when what it was before is still tried. */
    previous_until_ms: untilMs > nowMs ? untilMs : null,
    targets: uses.get(row.id) ?? [],
    /** Why it can't be used. */
    problem: await problemOf({ row, value }, env),
  }
}

async function problemOf({ row, value }: KeptCredential, env: MasterKeys): Promise<string | null> {
  if (row.kind === 'secret') {
    return placeOf(row.reference ?? '', env) === null ? `The secret ${row.reference} is not set.` : null
  }
  if (value === null || value.sealed === null) return 'It has no value: rotate it.'
  if ((await sealedUnder(env, value.sealed)) !== null) return null
  const problem = await masterProblem(env)
  return problem === null
    ? 'It was encrypted under another CREDENTIAL_KEY: rotate it.'
    : `It can’t be opened: ${problem}.`
}

const EITHER = unacceptable('value', 'invalid_field', 'value or secret must be given, and not both.')

function unset(name: string): Refusal {
  const message = `secret must name a secret of this Worker; ${name} is not set: wrangler secret put ${name}.`
  return unacceptable('secret', 'unknown_credential', message)
}

function noKey(problem: string): Refusal {
  const how = `Set it to ${KEY_FORM} | wrangler secret put CREDENTIAL_KEY. Or name a secret of the Worker by secret.`
  return {
    status: 503,
    code: 'no_credential_key',
    field: null,
    message: `Credentials can't be stored: ${problem}. ${how}`,
  }
}

function none(name: string): Refusal {
  return notFound('credential', name)
}

function taken(name: string): Refusal {
  return exists('name', `There is a credential ${JSON.stringify(name)} already: rotate that one.`)
}

function inUse(targets: readonly string[]): Refusal {
  const shown = targets.slice(0, USES_SHOWN_MAX).join(', ')
  const more = targets.length > USES_SHOWN_MAX ? ` and ${targets.length - USES_SHOWN_MAX} others` : ''
  return referenced(`The credential is used by the targets ${shown}${more}: give those another first.`)
}

const FULL: Refusal = {
  status: 409,
  code: 'full',
  field: null,
  message: `There are ${CREDENTIALS_MAX} credentials, which is the most: delete another one first.`,
}
