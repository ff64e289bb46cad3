// What a request says that no reply's meaning hangs on: a hint never keeps a target from serving, whatever its wire; where it
// is left out, the answer's header tells. What is neither carried nor a hint is a gap (`request-gaps.ts`). Here is the one
// place that says which are hints, and which wires have a word for them.
//
// Not told, since no model is told them either: marks for the prompt cache, reasoning that another maker signed, how much a
// hosted search looks for, a client's own notes on its tools.
import type { Target, Wire } from '../directory.ts'
import type { Json, JsonObject } from '../json.ts'
import type { NeutralPart, NeutralRequest } from '../neutral.ts'
import { STRICT_HINTS, hasQuirk } from '../quirk.ts'
import { fieldName, MEMBER_HINTS } from './request-gaps.ts'

/**
 * - `endUser`: on whose behalf the client asks. For the provider's own protection.
 * - `promptCacheKey`: which requests have a beginning in common. For the price.
 * - `metadata`: the client's own notes. For the logs of the provider's account; the gateway keeps them as tags.
 * - `imageDetail`: how closely a picture is to be looked at, unless it is left to the model (`auto`).
 * - `schemaName`, `schemaDescription`: what the schema of a reply is called, and what it is for. The schema itself binds.
 * - `citations`: what an earlier reply named as its sources. Its text goes back.
 * - `phase`: whether an earlier message was said on the way or was the answer.
 */
export type Hint =
  | 'endUser'
  | 'promptCacheKey'
  | 'metadata'
  | 'imageDetail'
  | 'schemaName'
  | 'schemaDescription'
  | 'citations'
  | 'ownCitations'
  | 'phase'

/** The hints that each wire has a word for. `ownCitations`: those in the wire's own words, which no other can be put into. */
const CARRIED: Readonly<Record<Wire, readonly Hint[]>> = {
  'openai-chat': [
    'endUser',
    'promptCacheKey',
    'metadata',
    'imageDetail',
    'schemaName',
    'schemaDescription',
    'citations',
  ],
  'openai-responses': [
    'endUser',
    'promptCacheKey',
    'metadata',
    'imageDetail',
    'schemaName',
    'schemaDescription',
    'ownCitations',
    'phase',
  ],
  'openai-completions': ['endUser'],
  'anthropic-messages': ['endUser', 'ownCitations'],
  'bedrock-converse': ['metadata', 'schemaName', 'schemaDescription', 'ownCitations'],
  gemini: [],
  cohere: ['imageDetail'],
  ollama: [],
  tgi: [],
  'workers-ai': [],
  declared: [],
}

/** Members of a body that are hints and have no place in the neutral form, by the wire that takes them. */
const CARRIED_MEMBERS: Readonly<Partial<Record<Wire, readonly string[]>>> = {
  'openai-chat': MEMBER_HINTS,
  'openai-completions': MEMBER_HINTS,
  'openai-responses': ['safety_identifier', 'prompt_cache_retention'],
}

/** The hints of a translated request that a target isn't told, under the names that the client knows them by, each once. */
export function lostHints(request: NeutralRequest, wire: Wire, target: Target): readonly string[] {
  const carried = carriedBy(request, wire, target)
  const lost = new Set<string>()
  const setting = (name: 'endUser' | 'promptCacheKey' | 'metadata'): void => {
    if (request[name] !== undefined && !carried.has(name)) lost.add(fieldName(request, name))
  }
  setting('endUser')
  setting('promptCacheKey')
  setting('metadata')
  for (const name of memberHints(request, wire)) lost.add(name)
  for (const name of formatHints(request, carried)) lost.add(name)
  const names = PART_NAMES[request.wire ?? 'openai-chat'] ?? PART_NAMES['openai-chat']
  if (names !== undefined) {
    for (const { parts } of request.messages) {
      for (const part of parts) for (const hint of hintsOf(part, wire, carried)) lost.add(names[hint])
    }
  }
  return [...lost]
}

/** The hints of a native request that are taken out because the target refuses what it doesn't know. */
export function strictHints(body: () => JsonObject, target: Target): readonly string[] {
  return hasQuirk(target, 'strict-fields') ? STRICT_HINTS.filter((name) => body()[name] !== undefined) : []
}

function carriedBy({ metadata }: NeutralRequest, wire: Wire, target: Target): ReadonlySet<Hint> {
  const carried = new Set(CARRIED[wire])
  if (wire === 'openai-chat' && hasQuirk(target, 'strict-fields')) {
    carried.delete('endUser')
    carried.delete('promptCacheKey')
    carried.delete('metadata')
  }
  if (wire === 'bedrock-converse' && !isShortMetadata(metadata)) carried.delete('metadata')
  if (wire === 'declared') {
    const body = JSON.stringify(target.declared?.['body'] ?? null)
    if (body.includes('"$user"')) carried.add('endUser')
    if (body.includes('"$messages.openai"')) carried.add('imageDetail').add('citations')
  }
  return carried
}

const METADATA_ENTRIES_MAX = 16
const METADATA_TEXT = /^[a-zA-Z0-9\s:_@$#=/+,.-]{0,256}$/

/** Whether metadata is such as Bedrock takes: at most 16 short texts of letters, digits and plain signs. */
export function isShortMetadata(metadata: JsonObject | undefined): boolean {
  const entries = Object.entries(metadata ?? {})
  const isShort = ([name, value]: [string, Json | undefined]): boolean =>
    name !== '' && METADATA_TEXT.test(name) && typeof value === 'string' && METADATA_TEXT.test(value)
  return entries.length > 0 && entries.length <= METADATA_ENTRIES_MAX && entries.every(isShort)
}

function memberHints({ extra, wire: own }: NeutralRequest, wire: Wire): readonly string[] {
  const isTaken = own === wire || wire === 'openai-responses'
  const taken = isTaken ? (CARRIED_MEMBERS[wire] ?? []) : []
  return MEMBER_HINTS.filter((name) => extra[name] !== undefined && !taken.includes(name))
}

/** Where a client's wire has what its schema is called; a client of another wire gives no name. */
const FORMAT_MEMBERS: Readonly<Partial<Record<Wire, string>>> = {
  'openai-chat': '.json_schema',
  'openai-responses': '',
}

function formatHints(request: NeutralRequest, carried: ReadonlySet<Hint>): readonly string[] {
  const { responseFormat: format, wire } = request
  const member = FORMAT_MEMBERS[wire ?? 'openai-chat']
  if (format?.kind !== 'json-schema' || member === undefined) return []
  const place = fieldName(request, 'responseFormat') + member
  return [
    ...(carried.has('schemaName') ? [] : [`${place}.name`]),
    ...(carried.has('schemaDescription') || format.description === undefined ? [] : [`${place}.description`]),
  ]
}

type PartHint = 'imageDetail' | 'citations' | 'phase'

/** What clients call the hints on parts. */
const PART_NAMES: Readonly<Partial<Record<Wire, Readonly<Record<PartHint, string>>>>> = {
  'openai-chat': {
    imageDetail: 'messages.content.image_url.detail',
    citations: 'messages.annotations',
    phase: 'messages.phase',
  },
  'openai-responses': {
    imageDetail: 'input.content.input_image.detail',
    citations: 'input.content.annotations',
    phase: 'input.phase',
  },
  'anthropic-messages': {
    imageDetail: 'messages.content.image',
    citations: 'messages.content.citations',
    phase: 'messages.phase',
  },
}

function hintsOf(part: NeutralPart, wire: Wire, carried: ReadonlySet<Hint>): readonly PartHint[] {
  switch (part.kind) {
    case 'image':
      return isLookedAt(part.detail) && !carried.has('imageDetail') ? ['imageDetail'] : []
    case 'text':
      return [
        ...(part.phase === undefined || carried.has('phase') ? [] : (['phase'] as const)),
        ...(areCited(part, wire, carried) ? [] : (['citations'] as const)),
      ]
    case 'tool-result':
      return part.content.flatMap((inner) => hintsOf(inner, wire, carried))
    default:
      return []
  }
}

/** Whether the sources that a text names go back with it. */
function areCited(
  { citations }: Extract<NeutralPart, { readonly kind: 'text' }>,
  wire: Wire,
  carried: ReadonlySet<Hint>,
): boolean {
  if (citations === undefined || carried.has('citations')) return true
  return carried.has('ownCitations') && citations.every((citation) => citation.wire === wire)
}

function isLookedAt(detail: string | undefined): boolean {
  return detail !== undefined && detail !== 'auto'
}
