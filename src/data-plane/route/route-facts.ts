// What the rules of a route may ask of one request. Nothing is found out before a rule asks.
import type { ConditionFacts, FlagField, NumberField, TextField } from '../../core/routing/condition.ts'
import type { ModelCapabilities } from '../../core/directory.ts'
import type { Gap } from '../../core/failure.ts'
import { type Json, isJsonObject } from '../../core/json.ts'
import type { Speaker } from '../../protocols/protocol.ts'
import { arrayOf, objectOf } from '../../wire/read.ts'
import { budgetUsed } from '../limits/budget-memory.ts'
import { endUserOf } from '../limits/end-user.ts'
import { type ReadExchange, settingsOf } from '../exchange.ts'

/** Kinds of parts, by the names that the protocols have for them. */
const PART_KINDS: Readonly<Record<'images' | 'audio' | 'documents', ReadonlySet<string>>> = {
  images: new Set(['image_url', 'input_image', 'image']),
  audio: new Set(['input_audio', 'audio']),
  documents: new Set(['file', 'input_file', 'document']),
}

/** The facts of a request. `promptTokens` tells the likely length of its prompt. */
export function routeFacts(exchange: ReadExchange<Speaker>, promptTokens: () => number): ConditionFacts {
  return {
    texts: (field) => texts(exchange, field),
    number: (field) => number(exchange, field, promptTokens),
    flag: (field) => flag(exchange, field),
  }
}

function texts(exchange: ReadExchange<Speaker>, field: TextField): readonly string[] {
  const { caller, facts, options } = exchange
  if (field.startsWith('header.')) return present(options.header(field.slice('header.'.length)))
  if (field.startsWith('metadata.')) return present(metadata(exchange, field.slice('metadata.'.length)))
  switch (field) {
    case 'model':
      return [facts.model]
    case 'key':
      return [caller.keyId]
    case 'team':
      return present(caller.teamId)
    case 'tag':
      return [...caller.tags, ...options.tags]
    case 'end_user':
      return present(endUserOf(exchange))
    case 'cost_center':
      return present(options.costCenter ?? caller.costCenter)
    case 'country':
      return present(options.place('country') ?? options.header('cf-ipcountry'))
    case 'continent':
      return present(options.place('continent') ?? options.header('cf-ipcontinent'))
    default:
      return []
  }
}

function present(value: string | null): readonly string[] {
  return value === null ? [] : [value]
}

function metadata(exchange: ReadExchange<Speaker>, name: string): string | null {
  const value = objectOf(settingsOf(exchange)['metadata'])[name]
  return typeof value === 'string' ? value : typeof value === 'number' || typeof value === 'boolean' ? `${value}` : null
}

function number(exchange: ReadExchange<Speaker>, field: NumberField, promptTokens: () => number): number | null {
  switch (field) {
    case 'prompt_tokens':
      return promptTokens()
    case 'max_output_tokens':
      return exchange.facts.maxOutputTokens
    case 'messages':
      return turns(exchange).length
    case 'hour':
      return new Date(exchange.startedAtMs).getUTCHours()
    case 'weekday':
      return new Date(exchange.startedAtMs).getUTCDay() || 7
    case 'budget_used':
      return budgetUsed(exchange.services, { keyId: exchange.caller.keyId, model: exchange.facts.model })
  }
}

function flag(exchange: ReadExchange<Speaker>, field: FlagField): boolean {
  const settings = settingsOf(exchange)
  switch (field) {
    case 'streamed':
      return exchange.facts.isStreamed
    case 'tools':
      return arrayOf(settings['tools']).length > 0
    case 'in_eu':
      return exchange.options.place('isEUCountry') === '1'
    case 'reasoning':
      return (
        settings['reasoning_effort'] !== undefined || isAsked(settings['reasoning']) || isAsked(settings['thinking'])
      )
    case 'json_schema':
      return (
        objectOf(settings['response_format'])['type'] === 'json_schema' ||
        objectOf(objectOf(settings['text'])['format'])['type'] === 'json_schema'
      )
    default:
      return hasPart(exchange, PART_KINDS[field])
  }
}

/** A member that is given and doesn't say that it is off. */
function isAsked(value: Json | undefined): boolean {
  return isJsonObject(value) && value['type'] !== 'disabled'
}

/** Messages, or the items of a Responses request. */
function turns(exchange: ReadExchange<Speaker>): readonly Json[] {
  const settings = settingsOf(exchange)
  return arrayOf(settings['messages'] ?? settings['input'])
}

/** Whether a message has a part of such a kind, in its content or in a tool's result. */
export function hasPart(exchange: ReadExchange<Speaker>, kinds: ReadonlySet<string>): boolean {
  return turns(exchange).some((turn) => containsPart(objectOf(turn)['content'], kinds))
}

function containsPart(content: Json | undefined, kinds: ReadonlySet<string>): boolean {
  return arrayOf(content).some((part) => {
    const { type, content: nested } = objectOf(part)
    return (typeof type === 'string' && kinds.has(type)) || containsPart(nested, kinds)
  })
}

/** What a target is known not to do, though the request needs it. Looked for only where something is known to be missing. */
export function inabilities(
  exchange: ReadExchange<Speaker>,
  capabilities: ModelCapabilities | undefined,
): readonly Gap[] {
  if (capabilities === undefined) return NONE
  const { vision, audio, documents, tools, jsonSchema } = capabilities
  const isAble = vision !== false && audio !== false && documents !== false && tools !== false && jsonSchema !== false
  if (isAble) return NONE
  return INABILITIES.filter(({ ability, flag: need }) => capabilities[ability] === false && flag(exchange, need)).map(
    ({ field, reason }) => ({ field, reason }),
  )
}

const NONE: readonly Gap[] = []

const INABILITIES = [
  { ability: 'vision', flag: 'images', field: 'messages', reason: 'this model sees no pictures' },
  { ability: 'audio', flag: 'audio', field: 'messages', reason: 'this model hears no sound' },
  { ability: 'documents', flag: 'documents', field: 'messages', reason: 'this model reads no documents' },
  { ability: 'tools', flag: 'tools', field: 'tools', reason: 'this model calls no tools' },
  { ability: 'jsonSchema', flag: 'json_schema', field: 'response_format', reason: 'this model follows no JSON schema' },
] as const
