// The document of a configuration, as a schema: what `tidegate.jsonc` may say. Its parts are the bodies that the admin API
// takes for each thing by itself, so that whatever those learn to say, a file can say, too.
import * as z from 'zod/mini'
import { DECLARED_CHANNEL, RULES } from '../alerts/alert-schemas.ts'
import { DECLARED_CREDENTIAL } from '../credentials/credential-schemas.ts'
import { NEW_PRESET } from '../routes/presets.ts'
import { NEW_PRICE } from '../prices/prices.ts'
import { NEW_ROUTE } from '../routes/route-schemas.ts'
import { MODEL_ENTRY, NAME, NEW_KEY, NEW_TARGET, NEW_TEAM, NEW_TENANT, OBJECT, text } from '../schemas.ts'
import { SWITCH_KINDS } from '../../core/switches.ts'

/** Things of one kind in one document. */
const ITEMS_MAX = 10_000

const SWITCH_ENTRY = z.strictObject(
  {
    kind: z.enum(SWITCH_KINDS, `must be one of ${SWITCH_KINDS.join(', ')}`),
    id: text(301),
    off: z.boolean('must be true or false'),
    reason: z.optional(text(500)),
  },
  OBJECT,
)
const RULES_ENTRY = z.strictObject({ tenant: z.optional(z.nullable(NAME)), ...RULES.def.shape }, OBJECT)

function list<Item extends z.ZodMiniType>(item: Item) {
  const allowed = `must be a list of at most ${ITEMS_MAX} objects`
  return z.optional(z.array(item, allowed).check(z.maxLength(ITEMS_MAX, allowed)))
}

/** What a file may say, section by section. A thing that is named is declared whole: what isn't said of it is as usual. */
export const SECTIONS = {
  models: list(MODEL_ENTRY),
  tenants: list(NEW_TENANT),
  teams: list(NEW_TEAM),
  credentials: list(DECLARED_CREDENTIAL),
  targets: list(NEW_TARGET),
  keys: list(NEW_KEY),
  routes: list(NEW_ROUTE),
  presets: list(NEW_PRESET),
  prices: list(NEW_PRICE),
  alert_channels: list(DECLARED_CHANNEL),
  alert_rules: list(RULES_ENTRY),
  switches: list(SWITCH_ENTRY),
}

export const DOCUMENT = z.strictObject(
  { $schema: z.optional(z.string('must be text')), prune: z.optional(z.boolean('must be true or false')), ...SECTIONS },
  OBJECT,
)
export type ConfigurationDocument = z.infer<typeof DOCUMENT>
export type SectionName = keyof typeof SECTIONS
export type RulesEntry = z.infer<typeof RULES_ENTRY>
export type SwitchEntry = z.infer<typeof SWITCH_ENTRY>
export type ModelEntry = z.infer<typeof MODEL_ENTRY>

const FORCE = z.optional(z.boolean('must be true or false'))
const REVISION_ALLOWED = 'must be the number of a revision'
const REVISION = z.int(REVISION_ALLOWED).check(z.gte(0, REVISION_ALLOWED))
const REASON = z.optional(text(500))

const MINUTES_ALLOWED = 'must be an integer from 1 to 1440'
const RATE_ALLOWED = 'must be a share from 0 to less than 1'
const COUNT_ALLOWED = 'must be an integer from 1 to 1000000'
/** For how long a revision is looked after, and what takes it back. */
const WATCH = z.optional(
  z.strictObject(
    {
      minutes: z.int(MINUTES_ALLOWED).check(z.gte(1, MINUTES_ALLOWED), z.lte(1440, MINUTES_ALLOWED)),
      max_error_rate: z.optional(z.number(RATE_ALLOWED).check(z.gte(0, RATE_ALLOWED), z.lt(1, RATE_ALLOWED))),
      min_requests: z.optional(z.int(COUNT_ALLOWED).check(z.gte(1, COUNT_ALLOWED), z.lte(1_000_000, COUNT_ALLOWED))),
    },
    'must be an object of minutes, max_error_rate and min_requests',
  ),
)
export type WatchBody = NonNullable<z.infer<typeof WATCH>>

/** The document itself is checked by itself, so that every problem of it is told and not only the first. */
const ANY_DOCUMENT = z.unknown()
export const PLAN_BODY = z.strictObject(
  { document: ANY_DOCUMENT, prune: z.optional(z.boolean('must be true or false')), force: FORCE },
  OBJECT,
)
export const APPLY_BODY = z.strictObject(
  {
    document: ANY_DOCUMENT,
    prune: z.optional(z.boolean('must be true or false')),
    force: FORCE,
    expected_revision: REVISION,
    reason: REASON,
    watch: WATCH,
  },
  OBJECT,
)
export const ROLLBACK_BODY = z.strictObject(
  {
    revision: REVISION,
    expected_revision: REVISION,
    reason: REASON,
    dry_run: z.optional(z.boolean('must be true or false')),
  },
  OBJECT,
)

const AGAINST_ALLOWED = 'must be present, or the number of a revision'
/** What a revision is compared with. */
export const AGAINST = z.strictObject({
  against: z.optional(z.string(AGAINST_ALLOWED).check(z.regex(/^(?:present|\d{1,15})$/, AGAINST_ALLOWED))),
})
