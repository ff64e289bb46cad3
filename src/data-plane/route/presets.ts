// A request with the members of the preset that it names. Loaded with the first that names one. The client's text is edited,
// not written anew, so that everything else of it goes on to the byte.
import type { Caller, Route } from '../../core/directory.ts'
import { type JsonObject, isJsonObject, parseJson } from '../../core/json.ts'
import { type Preset, missingMembers, presetReference } from '../../core/routing/preset.ts'
import { type Result, err, ok } from '../../core/result.ts'
import type { RouteTable } from '../../core/routing/route-table.ts'
import type { Failure } from '../../core/failure.ts'
import { arrayOf, objectOf } from '../../wire/read.ts'
import { memberSpans, spliceMembers, withoutMember } from '../../wire/splice.ts'
import { type ReadExchange, settingsOf } from '../exchange.ts'
import { shortBody } from '../bodies/large-body.ts'
import { forbiddenModel } from './route.ts'

/** The exchange with the members of its preset; itself where it names none, or one that only its router knows. */
export function withPreset(exchange: ReadExchange, table: RouteTable): Result<ReadExchange, Failure> {
  const { caller, facts, protocol } = exchange
  const settings = settingsOf(exchange)
  const reference = presetReference(facts.model, settings['preset'])
  if (reference === undefined) return invalid('preset', 'must be the name of a preset')
  if (reference === null || isRouters(caller, facts.model, table)) return ok(exchange)
  const { name, field } = reference
  const preset = table.preset(caller.tenantId, name)
  if (preset === null) {
    // A route may be for names like these.
    if (field === 'model' && table.find(caller.tenantId, facts.model) !== null) return ok(exchange)
    return field === 'model'
      ? err({ kind: 'model-not-found', model: facts.model })
      : invalid('preset', `names no preset: there is no ${JSON.stringify(name)}`)
  }
  const model = reference.model ?? preset.members['model']
  if (typeof model !== 'string') {
    return invalid('model', `must be written as <model>@preset/${name}: this preset names no model`)
  }
  if (preset.system !== undefined && protocol.name === 'completions') {
    return invalid(field, `names a preset with a system prompt, for which ${protocol.endpoint} has no place`)
  }
  const members = { ...missingMembers(preset, settings, protocol.name), ...systemMember(exchange, preset), model }
  return read({ ...exchange, preset: name }, edited(exchange, members, preset))
}

/** A preset that a key may ask for as a model, and the model that this comes to. */
export interface UsablePreset {
  readonly name: string
  readonly model: string
  readonly route: Route
}

/** Which preset a model's name comes to for a key; null where it names none that this key may use. */
export function usablePreset(caller: Caller, table: RouteTable, id: string): UsablePreset | null {
  const reference = presetReference(id, undefined) ?? null
  if (reference === null || isRouters(caller, id, table)) return null
  const { name } = reference
  const preset = table.preset(caller.tenantId, name)
  const model = reference.model ?? preset?.members['model']
  if (preset === null || typeof model !== 'string') return null
  const route = table.find(caller.tenantId, model)
  if (route === null || forbiddenModel(caller, model, () => preset.members) !== undefined) return null
  return { name, model, route }
}

/** A router that knows presets itself gets its clients' names for them. */
function isRouters({ tenantId }: Caller, model: string, table: RouteTable): boolean {
  const route = table.find(tenantId, model)
  const targets = route === null ? [] : table.targets(route)
  return targets.length > 0 && targets.every(({ provider }) => provider === 'openrouter')
}

/** The system prompt, in protocols that have a member for it and where the request has none. */
function systemMember(exchange: ReadExchange, { system }: Preset): JsonObject {
  const settings = settingsOf(exchange)
  if (system === undefined || saysItself(settings)) return {}
  switch (exchange.protocol.name) {
    case 'messages':
      return { system }
    case 'responses':
      return { instructions: system }
    default:
      return {}
  }
}

const SYSTEM_ROLES: ReadonlySet<unknown> = new Set(['system', 'developer'])

/** Whether a body has a system prompt of its own. */
function saysItself(body: JsonObject): boolean {
  if ((body['system'] ?? body['instructions'] ?? null) !== null) return true
  return arrayOf(body['messages'] ?? body['input']).some((turn) => SYSTEM_ROLES.has(objectOf(turn)['role']))
}

/** The client's text with these members, and, on chat, with the system prompt as its first message. */
function edited(exchange: ReadExchange, members: JsonObject, { system }: Preset): string {
  const settings = settingsOf(exchange)
  const first = exchange.protocol.name === 'chat' && !saysItself(settings) ? system : undefined
  const bare = withoutMember(exchange.text, 'preset')
  const spliced = bare === null ? null : spliceMembers(bare, defined(members))
  const whole = spliced === null ? null : withFirstMessage(spliced, first)
  if (whole !== null) return whole
  const { preset: _, ...body } = exchange.body()
  const messages = first === undefined ? {} : { messages: [systemMessage(first), ...arrayOf(body['messages'])] }
  return JSON.stringify({ ...body, ...members, ...messages })
}

function defined(members: JsonObject) {
  return Object.fromEntries(
    Object.entries(members).flatMap(([name, value]) => (value === undefined ? [] : [[name, value]])),
  )
}

function systemMessage(content: string) {
  return { role: 'system', content }
}

/** Null for a text that is too odd for that. */
function withFirstMessage(text: string, system: string | undefined): string | null {
  if (system === undefined) return text
  const span = memberSpans(text)?.find(({ name }) => name === 'messages')
  if (span === undefined || text[span.valueStart] !== '[') return null
  const rest = text.slice(span.valueStart + 1)
  const comma = rest.trimStart().startsWith(']') ? '' : ','
  return `${text.slice(0, span.valueStart)}[${JSON.stringify(systemMessage(system))}${comma}${rest}`
}

/** The exchange with another text in place of the client's, read as if the client had sent it. */
function read(exchange: ReadExchange, text: string): Result<ReadExchange, Failure> {
  const short = shortBody(text)
  let whole: JsonObject | null = null
  const body = (): JsonObject => (whole ??= parsed(text))
  const facts = exchange.protocol.facts(short?.body ?? body())
  return facts.ok ? ok({ ...exchange, text, bytes: null, short, body, facts: facts.value }) : facts
}

function parsed(text: string): JsonObject {
  const body = parseJson(text)
  return isJsonObject(body) ? body : {}
}

function invalid(field: string, message: string): Result<never, Failure> {
  return err({ kind: 'invalid-request', field, message: `${field} ${message}.` })
}
