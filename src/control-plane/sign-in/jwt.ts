// Whether a JSON Web Token is its issuer's, is meant for us, and holds now. Keys are fetched with every sign-in, of which there
// are few: one that the issuer has changed is never unknown, and one that it has withdrawn is never taken.
import { type JSONWebKeySet, type JWTPayload, createLocalJWKSet, jwtVerify } from 'jose'
import { isJsonObject, type JsonObject } from '../../core/json.ts'
import { err, ok, type Result } from '../../core/result.ts'

/** Signatures that only the issuer can make: none that we could make as well, and not none. */
const ALGORITHMS = ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512', 'ES256', 'ES384', 'ES512', 'EdDSA']
/** Clocks differ. */
const TOLERANCE_SECONDS = 60

export interface JwtExpectation {
  readonly issuer: string
  readonly audience: string
  /** The issuer's key set, as it was fetched. */
  readonly keys: JsonObject
  readonly nowMs: number
}

/** What the token says, or what is wrong with it, in words for the log. */
export async function verifyJwt(token: string, expected: JwtExpectation): Promise<Result<JWTPayload, string>> {
  if (!isKeySet(expected.keys)) return err('the issuer has no keys')
  try {
    const { payload } = await jwtVerify(token, createLocalJWKSet(expected.keys), {
      issuer: expected.issuer,
      audience: expected.audience,
      algorithms: ALGORITHMS,
      clockTolerance: TOLERANCE_SECONDS,
      requiredClaims: ['exp', 'iat', 'sub'],
      currentDate: new Date(expected.nowMs),
    })
    return ok(payload)
  } catch (error) {
    return err(error instanceof Error ? error.message : String(error))
  }
}

function isKeySet(value: JsonObject): value is JsonObject & JSONWebKeySet {
  const { keys } = value
  return Array.isArray(keys) && keys.every((key) => isJsonObject(key) && typeof key['kty'] === 'string')
}
