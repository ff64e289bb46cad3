// Sign-in with Cloudflare Access, which stands before this Worker: it adds a signed assertion of who is there to each request.
// https://developers.cloudflare.com/cloudflare-one/access-controls/applications/http-apps/authorization-cookie/validating-json/
import { err, ok, type Result } from '../../core/result.ts'
import { isJsonObject } from '../../core/json.ts'
import { verifyJwt } from './jwt.ts'
import type { AdminPorts } from '../ports.ts'
import { fetchObject } from './provider-fetch.ts'
import type { SignInFailure, Vouched } from './sign-in.ts'
import type { AccessSettings } from './sign-in-settings.ts'

/** Whom Access vouches for. Claims that an identity provider adds are in `custom`; those of Access itself count before them. */
export async function takeAssertion(
  { issuer, audience }: AccessSettings,
  assertion: string | null,
  ports: Pick<AdminPorts, 'fetch' | 'nowMs'>,
): Promise<Result<Vouched, SignInFailure>> {
  if (assertion === null)
    return err({ kind: 'not-behind-access', reason: 'the request has no Cf-Access-Jwt-Assertion' })
  const keys = await fetchObject(ports.fetch, `${issuer}/cdn-cgi/access/certs`)
  if (!keys.ok) return err({ kind: 'unavailable', reason: keys.error })
  const verified = await verifyJwt(assertion, { issuer, audience, keys: keys.value, nowMs: ports.nowMs() })
  if (!verified.ok) return err({ kind: 'unverified', reason: verified.error })
  const { custom, ...own } = verified.value
  const claims = { ...(isJsonObject(custom) ? custom : {}), ...own }
  // A service token has no subject: it is nobody who signs in.
  if (own.sub === undefined || own.sub === '')
    return err({ kind: 'unverified', reason: 'the assertion is of a service' })
  return ok({ source: 'access', subject: own.sub, claims, isEmailTrue: true })
}
