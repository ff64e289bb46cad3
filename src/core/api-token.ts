// The format of a token for the admin API: `tgt_<kid>_<secret>_<crc>`, built as a virtual key is. The kid is public, is how
// the token is looked up, and is what people recognise it by; the secret is 190 bits. Pure.
import { err, ok, type Result } from './result.ts'
import { base62Checksum, randomBase62 } from './virtual-key.ts'

/** A token, taken apart. `secret` is confidential: never log it, never store it. */
export interface ApiToken {
  /** 10 base62 characters. */
  readonly kid: string
  /** 32 base62 characters. */
  readonly secret: string
}

const KID_LENGTH = 10
const SECRET_LENGTH = 32
const CHECKSUM_LENGTH = 6
const SHAPE = /^tgt_([0-9A-Za-z]{10})_([0-9A-Za-z]{32})_([0-9A-Za-z]{6})$/

/** A new token, or with a `kid` another secret for the token of that name. `randomBytes` must be cryptographically secure. */
export function mintApiToken(randomBytes: (count: number) => Uint8Array, kid?: string): ApiToken {
  return { kid: kid ?? randomBase62(KID_LENGTH, randomBytes), secret: randomBase62(SECRET_LENGTH, randomBytes) }
}

/** The token as its owner sends it. `parseApiToken` reads back exactly what this writes. */
export function formatApiToken({ kid, secret }: ApiToken): string {
  const text = `${apiTokenPrefix(kid)}_${secret}`
  return `${text}_${base62Checksum(text)}`
}

/** What a token begins with, for recognising it: nothing of it is secret. */
export function apiTokenPrefix(kid: string): string {
  return `tgt_${kid}`
}

/** Takes a token apart, without any look-up. `malformed`: not the shape of one; `checksum`: a mistyped or guessed one. */
export function parseApiToken(text: string): Result<ApiToken, 'malformed' | 'checksum'> {
  const found = SHAPE.exec(text)
  if (found === null) return err('malformed')
  const [, kid = '', secret = '', checksum] = found
  return base62Checksum(text.slice(0, -CHECKSUM_LENGTH - 1)) === checksum ? ok({ kid, secret }) : err('checksum')
}
