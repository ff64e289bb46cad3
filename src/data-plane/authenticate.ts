// Who is calling. The presented key only authenticates; spending is authorised by the lease. SDKs differ in the header
// that they send their key in; any of them will do at any endpoint.
import type { Caller } from '../core/directory.ts'
import type { Failure } from '../core/failure.ts'
import { err, ok, type Result } from '../core/result.ts'
import { parseVirtualKey } from '../core/virtual-key.ts'
import type { CallerAnswer, Services } from '../ports.ts'

const BEARER = /^bearer +(\S+) *$/i

/** Headers with a plain key, as the SDKs of Anthropic, Azure and Google send it. */
const KEY_HEADERS = ['x-api-key', 'api-key', 'x-goog-api-key']

/** The caller behind a request's `Authorization: Bearer …`, or one of the other headers with a key where that isn't
 *  there; or why there is none. */
export function authenticate(
  headers: Headers,
  services: Services,
): Result<Caller, Failure> | Promise<Result<Caller, Failure>> {
  const presented = presentedKey(headers)
  if (presented === null) return err({ kind: 'unauthenticated', reason: 'missing' })
  if (presented === '') return err({ kind: 'unauthenticated', reason: 'malformed' })
  const found = services.directory.caller(presented)
  if (!(found instanceof Promise)) return callerIn(found, presented, headers, services)
  return found.then((answer) => callerIn(answer, presented, headers, services))
}

function callerIn(
  caller: CallerAnswer,
  presented: string,
  headers: Headers,
  services: Services,
): Result<Caller, Failure> {
  if (caller === 'unavailable') return err({ kind: 'directory-unavailable' })
  if (typeof caller === 'string') {
    if (!NO_KEY.has(caller)) tellUse(presented, caller, headers, services)
    return err({ kind: 'unauthenticated', reason: caller })
  }
  const off = services.switches.ofCaller(caller)
  return off === null ? ok(caller) : err({ kind: 'switched-off', what: off })
}

/** What anybody may send. */
const NO_KEY: ReadonlySet<string> = new Set(['missing', 'malformed', 'unknown'])

/** Somebody goes on with a key that is over: told by its public name, so that who holds it can be found. */
function tellUse(presented: string, reason: string, headers: Headers, { log }: Services): void {
  const key = parseVirtualKey(presented)
  if (key.ok) log.warn('key-refused', { key: key.value.kid, reason, address: headers.get('cf-connecting-ip') })
}

/** The key; null for none, empty for an authorization that isn't one by key. */
function presentedKey(headers: Headers): string | null {
  const authorization = headers.get('authorization') ?? ''
  const bearer = authorization === '' ? undefined : BEARER.exec(authorization)?.[1]
  if (bearer !== undefined) return bearer
  for (const name of KEY_HEADERS) {
    const key = headers.get(name)?.trim() ?? ''
    if (key !== '') return key
  }
  return authorization === '' ? null : ''
}
