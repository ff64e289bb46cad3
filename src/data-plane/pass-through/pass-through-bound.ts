// How long the reply to a passed-through request may become: the client's own bound where its wire is known, else the
// gateway's, which is put into the body where a limit stands behind the request. Tokens.
import type { Inference } from '../../catalog/inference.ts'
import { findCapabilities } from '../../catalog/models.ts'
import type { DialectName, Target } from '../../core/directory.ts'
import type { Json, JsonObject } from '../../core/json.ts'
import { hasQuirk } from '../../core/quirk.ts'
import { arrayOf, isJsonArray, numberOf, objectOf } from '../../wire/read.ts'
import { memberSpans, spliceMembers } from '../../wire/splice.ts'

/** A member of the body, or one of a member. */
type Place = readonly [string] | readonly [string, string]

/** Where a wire has its bound; the first is where one is put that the client didn't give. */
const PLACES: Partial<Readonly<Record<DialectName, readonly Place[]>>> = {
  'openai-chat': [['max_completion_tokens'], ['max_tokens']],
  'openai-responses': [['max_output_tokens']],
  'openai-completions': [['max_tokens']],
  'anthropic-messages': [['max_tokens']],
  'bedrock-converse': [['inferenceConfig', 'maxTokens']],
  cohere: [['max_tokens']],
  ollama: [['options', 'num_predict']],
  'workers-ai': [['max_tokens']],
  // Google's servers read members in both spellings.
  gemini: [
    ['generationConfig', 'maxOutputTokens'],
    ['generationConfig', 'max_output_tokens'],
    ['generation_config', 'max_output_tokens'],
    ['generation_config', 'maxOutputTokens'],
  ],
}

/** The most that a reply may have. */
export interface OutputBound {
  /** For each choice. */
  readonly maxOutputTokens: number
  readonly choices: number
}

/**
 * What to reserve for the output of a call: the client's own bound on a known wire; the target's where that is put into the
 * body (`boundedBody`); else what the catalogue says that the model writes at most, or the target's bound. Nothing for what
 * writes nothing. `json`: null for a body that isn't JSON.
 */
export function outputBoundOf(
  inference: Inference | null,
  json: JsonObject | null,
  { target, model }: { readonly target: Target; readonly model: string | null },
): OutputBound {
  if (inference === null || inference.kind === 'reads' || inference.kind === 'counts') {
    return { maxOutputTokens: 0, choices: 1 }
  }
  const places = inference.wire === null ? undefined : PLACES[inference.wire]
  if (places === undefined || json === null) {
    const known = target.capabilities?.outputTokens ?? (model === null ? {} : findCapabilities(model)).outputTokens
    const isText = inference.kind === 'writes'
    return { maxOutputTokens: isText ? (known ?? target.maxOutputTokens) : target.maxOutputTokens, choices: 1 }
  }
  const given = places.map((place) => valueAt(json, place)).filter(isBound)
  return { maxOutputTokens: given.length === 0 ? target.maxOutputTokens : Math.max(...given), choices: choicesIn(json) }
}

/** What the gateway changes in a body that stands under a limit. */
export interface BodyEdits {
  readonly maxOutputTokens: number
  /** A stream that is to tell its usage, which the client didn't ask for. */
  readonly forceUsage: boolean
}

/** The body with its bound no higher than `edits.maxOutputTokens`: what the client gave is lowered, what it didn't give is set. The
 *  same text where nothing has to change; where the wire isn't known, nothing can. */
export function boundedBody(
  text: string,
  json: JsonObject,
  inference: Inference,
  target: Target,
  edits: BodyEdits,
): string {
  const members: Record<string, Json> = {}
  if (edits.forceUsage) members['stream_options'] = { ...objectOf(json['stream_options']), include_usage: true }
  const places = inference.wire === null ? undefined : PLACES[inference.wire]
  if (places !== undefined) setBound(members, json, placesAt(places, target), edits.maxOutputTokens)
  if (Object.keys(members).length === 0) return text
  return spliceMembers(text, members) ?? JSON.stringify({ ...json, ...members })
}

/** The body as everybody reads it: a name that stands in it twice, or in disguise, may be one thing to us and another to the
 *  provider. The same text where there is no such name. */
export function plainBody(text: string, json: JsonObject): string {
  return memberSpans(text) === null ? JSON.stringify(json) : text
}

function setBound(members: Record<string, Json>, json: JsonObject, places: readonly Place[], most: number): void {
  const put = (place: Place): void => {
    const [name, inner] = place
    if (inner === undefined) members[name] = most
    else members[name] = { ...objectOf(members[name] ?? json[name]), [inner]: most }
  }
  let isGiven = false
  for (const place of places) {
    const value = valueAt(json, place)
    if (value === undefined || value === null) continue
    isGiven = true
    if (!isBound(value) || value > most) put(place)
  }
  const [usual] = places
  if (!isGiven && usual !== undefined) put(usual)
}

/** Some know only the older name of the chat wire's bound. */
function placesAt(places: readonly Place[], target: Target): readonly Place[] {
  return hasQuirk(target, 'max-tokens') ? places.toReversed() : places
}

function valueAt(json: JsonObject, [name, inner]: Place): Json | undefined {
  return inner === undefined ? json[name] : objectOf(json[name])[inner]
}

/** Ollama takes −1 for no bound at all; others refuse what isn't one. */
function isBound(value: Json | undefined): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value > 0
}

/** How many replies are asked for: of each prompt where there are many. */
function choicesIn(json: JsonObject): number {
  const google = { ...objectOf(json['generation_config']), ...objectOf(json['generationConfig']) }
  const asked = [
    json['n'],
    json['best_of'],
    json['num_generations'],
    google['candidateCount'],
    google['candidate_count'],
  ]
  const each = Math.max(1, ...asked.flatMap((value) => numberOf(value) ?? []))
  const prompts = arrayOf(json['prompt'])
  const isMany = prompts.some((prompt) => typeof prompt === 'string' || isJsonArray(prompt))
  return Math.ceil(each) * (isMany ? prompts.length : 1)
}
