// Who is calling. The presented key only authenticates; spending is authorised by the lease.
import type { Caller } from '../core/directory.ts'
import type { Failure } from '../core/failure.ts'
import { err, ok, type Result } from '../core/result.ts'
import type { Services } from '../ports.ts'

const BEARER = /^bearer +(\S+) *$/i

/** The caller behind a request's `Authorization: Bearer …`, or why there is none. */
export async function authenticate(headers: Headers, services: Services): Promise<Result<Caller, Failure>> {
  const header = headers.get('authorization')
  if (header === null || header === '') return err({ kind: 'unauthenticated', reason: 'missing' })
  const presented = BEARER.exec(header)?.[1]
  if (presented === undefined) return err({ kind: 'unauthenticated', reason: 'malformed' })
  const found = services.directory.caller(presented)
  const caller = found instanceof Promise ? await found : found
  if (caller === 'unavailable') return err({ kind: 'directory-unavailable' })
  return typeof caller === 'string' ? err({ kind: 'unauthenticated', reason: caller }) : ok(caller)
}
