// Credentials of a document: their names, whose they are, and the secrets that they stand for. One that is stored has to be there:
// its value comes by the admin API and by no file.
import { CREDENTIALS_MAX, type CredentialRow, placeOf } from '../credentials/credential-record.ts'
import type { DeclaredCredential } from '../credentials/credential-schemas.ts'
import { unacceptable } from '../http/refusal.ts'
import type { Declaring } from './declaring.ts'
import { credentialItem } from './view.ts'

export function declareCredentials(declaring: Declaring, entries: readonly DeclaredCredential[]): void {
  const { env, ports } = declaring.context
  for (const [index, { name, provider = null, secret = null, stored }] of entries.entries()) {
    const at = `credentials[${index}]`
    if (!declaring.once('credentials', name, at, name)) continue
    const before = declaring.before.credentials.get(name)
    if ((secret === null) === (stored === undefined)) {
      declaring.refuse(at, unacceptable('secret', 'invalid_field', 'secret or stored must be given, and not both.'))
      continue
    }
    if (secret !== null && placeOf(secret, env) === null) {
      const message = `secret must name a secret of this Worker; ${secret} is not set: wrangler secret put ${secret}.`
      declaring.refuse(at, unacceptable('secret', 'unknown_credential', message))
      continue
    }
    if (secret === null && before?.kind !== 'stored') {
      const message = `stored must be left out until it is: POST /admin/credentials${before === undefined ? '' : `/${name}/rotate`} stores its value.`
      declaring.refuse(at, unacceptable('stored', 'unknown_credential', message))
      continue
    }
    const kind = secret === null ? 'stored' : 'secret'
    const created_at_ms = before?.created_at_ms ?? ports.nowMs()
    const row: CredentialRow = { id: name, provider, kind, reference: secret, created_at_ms }
    declaring.draft.credentials.set(name, declaring.settled(before, row, credentialItem))
  }
  if (declaring.draft.credentials.size > CREDENTIALS_MAX) {
    const message = `There would be ${declaring.draft.credentials.size} credentials; ${CREDENTIALS_MAX} may be.`
    declaring.problems.push({ field: 'credentials', code: 'full', message })
  }
}
