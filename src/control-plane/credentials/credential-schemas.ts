// What the admin API and a document take of credentials. A document names them and says where they are; a value is never in one.
import * as z from 'zod/mini'
import { isJsonObject, type JsonObject } from '../../core/json.ts'
import { HELD_NAME } from './credential-record.ts'
import { OVERLAP } from '../rotation.ts'
import { CREDENTIAL_SECRET, OBJECT, PROVIDER } from '../schemas.ts'

const NAME_ALLOWED =
  'must be 1 to 100 small letters, digits, dots, dashes or underscores, the first a letter or a digit'
const CREDENTIAL_NAMED = z.string(NAME_ALLOWED).check(z.regex(HELD_NAME, NAME_ALLOWED))
const VALUE_ALLOWED = 'must be text, or an object: a service account’s JSON, or an AWS key pair'
const VALUE = z.optional(
  z.custom<string | JsonObject>((value) => typeof value === 'string' || isJsonObject(value), VALUE_ALLOWED),
)
const WHOSE = { name: CREDENTIAL_NAMED, provider: z.optional(z.nullable(PROVIDER)) }
const CONTENT = { value: VALUE, secret: z.optional(CREDENTIAL_SECRET) }

export const NEW_CREDENTIAL = z.strictObject({ ...WHOSE, ...CONTENT }, OBJECT)
export const ROTATION = z.strictObject({ ...CONTENT, overlap_seconds: OVERLAP }, OBJECT)
/** Of a document. */
export const DECLARED_CREDENTIAL = z.strictObject(
  { ...WHOSE, secret: z.optional(CREDENTIAL_SECRET), stored: z.optional(z.literal(true, 'must be true')) },
  OBJECT,
)
export type DeclaredCredential = z.infer<typeof DECLARED_CREDENTIAL>
