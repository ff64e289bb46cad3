// From what an operator writes to the target that the data plane calls: defaults from the catalogue, address and credential
// checked, price looked up. Separate from the endpoints because it is where a mistake would cost money or leak a secret.
import { fillAddress, namesIn } from '../../catalog/address.ts'
import { findPrice } from '../../catalog/price-catalogue.ts'
import { priceVersionOf } from '../../catalog/price-units.ts'
import { findProvider, modelObjection } from '../../catalog/providers.ts'
import type { Target, TargetTimeouts } from '../../core/directory.ts'
import { checkEndpoint } from '../../core/guard/endpoint-guard.ts'
import { err, ok, type Result } from '../../core/result.ts'
import type { GatewayEnv } from '../../env.ts'
import { readDeclared } from '../../wire/declared.ts'
import { type CredentialRow, placeOf } from '../credentials/credential-record.ts'
import type { AdminPorts } from '../ports.ts'
import { activeList } from '../prices/price-lists.ts'
import { readPrice } from '../prices/price-record.ts'
import { unacceptable, type Refusal } from '../http/refusal.ts'
import type { PricesBody } from '../prices/price-schemas.ts'
import { CREDENTIAL_NAME, type NewTarget, type TargetChange } from '../schemas.ts'
import { findRow } from '../store.ts'
import {
  changeOptions,
  providerOptions,
  settingField,
  SIGNING_SCHEMES,
  type TargetOptions,
  withoutOptions,
} from './target-options.ts'

const DEFAULT_RETRIES = 1
const DEFAULT_OUTPUT_TOKENS = 4096
/** Reasoning models think for minutes before they say anything; a whole reply comes at once at the end. */
const DEFAULT_TIMEOUTS: TargetTimeouts = { firstContentMs: 120_000, idleMs: 60_000, totalMs: 600_000 }

/** What compiling needs besides the body. */
export type CompileContext = Pick<AdminPorts, 'services'> & {
  readonly env: GatewayEnv
  /** Credentials that are made together with the target, by name. */
  readonly declared?: ReadonlyMap<string, CredentialRow>
}

/** A new target. */
export async function compileTarget(body: NewTarget, context: CompileContext): Promise<Result<Target, Refusal>> {
  const provider = findProvider(body.provider)
  if (provider === undefined) return err(unacceptable('provider', 'invalid_field', 'provider is not in the catalogue.'))
  const blank: Target = {
    id: body.id ?? defaultId(provider.name, body.model),
    provider: provider.name,
    dialect: provider.dialect,
    baseUrl: provider.baseUrl ?? '',
    model: body.model,
    credential: provider.credential,
    maxRetries: DEFAULT_RETRIES,
    timeouts: DEFAULT_TIMEOUTS,
    maxOutputTokens: DEFAULT_OUTPUT_TOKENS,
    price: null,
    priceVersion: null,
    costCenter: null,
    ...providerOptions(provider, body.dialect ?? provider.dialect),
  }
  const listed = await findPrice(blank.provider, blank.model, (await activeList(context.env.DB)).list)
  return changeTarget({ ...blank, ...listed }, body, context)
}

/** A target after a change. What is left out stays; a new model gets its own price unless one is given. */
export async function changeTarget(
  before: Target,
  body: TargetChange,
  context: CompileContext,
): Promise<Result<Target, Refusal>> {
  const model = body.model ?? before.model
  const unreachable = unreachableModel(before.provider, model)
  if (unreachable !== null) return err(unreachable)
  const options = changeOptions(before, body)
  const address = addressAfter(before, options, body)
  if (!address.ok) return address
  const baseUrl = readBaseUrl(address.value, context)
  if (!baseUrl.ok) return baseUrl
  if (body.credential !== undefined && body.credentials != null) return err(CREDENTIAL_TWICE)
  const credential = body.credentials?.[0] ?? (body.credential === undefined ? before.credential : body.credential)
  for (const name of options.credentials ?? (credential === null ? [] : [credential])) {
    const objection = await credentialObjection(name, before.provider, context)
    if (objection !== null) return err(objection)
  }
  if (credential === null && options.auth !== undefined && SIGNING_SCHEMES.has(options.auth)) {
    return err(unacceptable('credential', 'invalid_field', `credential is needed to sign with ${options.auth}.`))
  }
  const timeouts = readTimeouts(body.timeouts, before.timeouts)
  if (!timeouts.ok) return timeouts
  const dialect = body.dialect ?? before.dialect
  const declared = dialect === 'declared' ? readDeclared(options.declared) : null
  if (declared?.ok === false) {
    return err(unacceptable(declared.error.field ?? 'declared', 'invalid_field', declared.error.message))
  }
  return ok({
    ...withoutOptions(before),
    ...options,
    dialect,
    baseUrl: baseUrl.value,
    model,
    credential,
    maxRetries: body.max_retries ?? before.maxRetries,
    timeouts: timeouts.value,
    maxOutputTokens: body.max_output_tokens ?? before.maxOutputTokens,
    ...(await priceAfter(before, model, body.price, context.env.DB)),
    costCenter: body.cost_center === undefined ? before.costCenter : body.cost_center,
  })
}

function unreachableModel(providerName: string, model: string): Refusal | null {
  const provider = findProvider(providerName)
  const objection = provider === undefined ? null : modelObjection(provider, model)
  return objection === null ? null : unacceptable('model', 'invalid_field', `model ${objection}.`)
}

/** Whether a change touches what a probe would exercise. */
export function needsProbe(before: Target, after: Target): boolean {
  const called = ({ dialect, baseUrl, model, credential, credentials, auth, settings, quirks, declared }: Target) =>
    JSON.stringify([dialect, baseUrl, model, credential, credentials, auth, settings, quirks, declared])
  return called(before) !== called(after)
}

/** What a target is called that nobody has named. */
export function defaultId(provider: string, model: string): string {
  const name = model === '*' ? 'any' : model.replace(/[^A-Za-z0-9._-]+/g, '-')
  return `${provider}-${name}`.slice(0, 100)
}

/** The address that is written, or the one of before. An address that the catalogue gives in braces is filled anew when
 *  its settings change. */
function addressAfter(before: Target, options: TargetOptions, body: TargetChange): Result<string, Refusal> {
  const template = body.base_url ?? findProvider(before.provider)?.baseUrl ?? ''
  if (body.base_url === undefined && (namesIn(template).length === 0 || isOwnAddress(before, template))) {
    return ok(before.baseUrl)
  }
  const filled = fillAddress(template, options.settings)
  if (filled.ok) return filled
  const { setting, isMissing } = filled.error
  const field = settingField(setting)
  const message = isMissing
    ? `${field} is needed for the address ${template}.`
    : `${field} must be a name that can stand in the address ${template}.`
  return err(unacceptable(field, 'invalid_field', message))
}

/** True where the address of before is not what the catalogue's template gives. */
function isOwnAddress({ baseUrl, settings }: Target, template: string): boolean {
  if (baseUrl === template || baseUrl === '') return false
  const filled = fillAddress(template, settings)
  return !filled.ok || filled.value !== baseUrl
}

function readBaseUrl(text: string, context: CompileContext): Result<string, Refusal> {
  const refused = (reason: string) => err(unacceptable('base_url', 'invalid_endpoint', `base_url ${reason}.`))
  if (text === '') return refused('is needed: this provider has no address of its own')
  const url = URL.parse(text)
  if (url === null) return refused('must be a URL such as https://api.example.com/v1')
  const allowPrivate = context.env.ALLOW_PRIVATE_ENDPOINTS === 'true'
  const checked = checkEndpoint(url, { allowPrivate, services: context.services, ai: aiBindings(context.env) })
  return checked.ok ? ok(url.href.replace(/\/+$/, '')) : refused(checked.error)
}

/** Names of the bindings of Workers AI. */
function aiBindings(env: GatewayEnv): readonly string[] {
  return Object.entries(env).flatMap(([name, value]: readonly [string, unknown]) => {
    const isAi = typeof value === 'object' && value !== null && 'run' in value && typeof value.run === 'function'
    return isAi ? [name] : []
  })
}

/** Why a target of this provider can't have such a credential; null where it can. */
async function credentialObjection(
  name: string,
  provider: string,
  { env, declared }: CompileContext,
): Promise<Refusal | null> {
  if (CREDENTIAL_NAME.test(name)) return placeOf(name, env) === null ? missingCredential(name) : null
  const row = declared?.get(name) ?? (await findRow<CredentialRow>(env.DB, 'credentials', name))
  if (row === null) return unknownCredential(name)
  if (row.provider === null || row.provider === provider) return null
  const message = `credential must be one for ${provider}; ${name} is for ${row.provider}.`
  return unacceptable('credential', 'invalid_field', message)
}

function unknownCredential(name: string): Refusal {
  const message = `credential must be a credential or a secret of this Worker; there is no ${JSON.stringify(name)}.`
  return unacceptable('credential', 'unknown_credential', message)
}

const CREDENTIAL_TWICE = unacceptable(
  'credentials',
  'invalid_field',
  'credentials must be left out beside credential: it names all of them.',
)

function missingCredential(name: string): Refusal {
  const message = `credential must name a secret of this Worker; ${name} is not set: wrangler secret put ${name}.`
  return unacceptable('credential', 'unknown_credential', message)
}

function readTimeouts(body: TargetChange['timeouts'], before: TargetTimeouts): Result<TargetTimeouts, Refusal> {
  const connectMs = body?.connect_ms === undefined ? before.connectMs : body.connect_ms
  const timeouts = {
    ...(connectMs == null ? {} : { connectMs }),
    firstContentMs: body?.first_content_ms ?? before.firstContentMs,
    idleMs: body?.idle_ms ?? before.idleMs,
    totalMs: body?.total_ms ?? before.totalMs,
  }
  if (Math.max(timeouts.firstContentMs, timeouts.idleMs) <= timeouts.totalMs) return ok(timeouts)
  const message = `timeouts.total_ms must not be less than first_content_ms or idle_ms; it is ${timeouts.totalMs}.`
  return err(unacceptable('timeouts.total_ms', 'invalid_field', message))
}

async function priceAfter(before: Target, model: string, body: PricesBody | undefined, db: D1Database) {
  if (body !== undefined) {
    const price = readPrice(body)
    return { price, priceVersion: priceVersionOf('configured', price) }
  }
  if (model === before.model) return { price: before.price, priceVersion: before.priceVersion }
  const listed = await findPrice(before.provider, model, (await activeList(db)).list)
  return listed ?? { price: null, priceVersion: null }
}
