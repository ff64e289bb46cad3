// Presets: members of requests by name, kept by the operator, in the words that OpenRouter's users know: `@preset/<name>` or
// `<model>@preset/<name>` as the model, or a member `preset`. What the client itself writes wins.
// https://openrouter.ai/docs/features/presets
import type { ProtocolName } from '../directory.ts'
import type { Json, JsonObject } from '../json.ts'
import { PRESET_MARK } from './preset-mark.ts'

export interface Preset {
  readonly name: string
  /** Null: for every tenant. */
  readonly tenantId: string | null
  /** Members of a body in the chat protocol's words; `model`, `models` and `provider` among them. */
  readonly members: JsonObject
  /** The system prompt of requests that have none. */
  readonly system?: string
}

/** Members that are the client's alone, or the gateway's. */
export const NOT_PRESET: ReadonlySet<string> = new Set([
  'messages',
  'input',
  'prompt',
  'contents',
  'system',
  'instructions',
  'preset',
  'stream',
  'tidegate',
])

/** Which preset a request names, and by what. */
export interface PresetReference {
  readonly name: string
  readonly field: 'model' | 'preset'
  /** The model that is written beside it; null where there is none. */
  readonly model: string | null
}

/** Which preset a request names; null for none, undefined for a name that is none. In the model it comes before the member. */
export function presetReference(model: string, preset: Json | undefined): PresetReference | null | undefined {
  const at = model.lastIndexOf(PRESET_MARK)
  if (at !== -1) {
    return { name: model.slice(at + PRESET_MARK.length), field: 'model', model: at === 0 ? null : model.slice(0, at) }
  }
  if (preset === undefined || preset === null) return null
  return typeof preset === 'string' && preset !== '' ? { name: preset, field: 'preset', model } : undefined
}

/** Names of the output bound: who gives one of them needs no other. */
const BOUNDS = ['max_tokens', 'max_completion_tokens', 'max_output_tokens'] as const
/** What the other protocols call some members of the chat protocol's. */
const OWN_NAMES: Readonly<Record<ProtocolName, Readonly<Record<string, string>>>> = {
  chat: {},
  completions: { max_completion_tokens: 'max_tokens' },
  messages: { max_completion_tokens: 'max_tokens', stop: 'stop_sequences' },
  responses: { max_tokens: 'max_output_tokens', max_completion_tokens: 'max_output_tokens' },
}

/** The preset's members that `body` hasn't, as `protocol` calls them. `model` is not among them. */
export function missingMembers(preset: Preset, body: JsonObject, protocol: ProtocolName): JsonObject {
  const isBounded = BOUNDS.some((name) => body[name] !== undefined)
  const missing = new Map<string, Json>()
  for (const [name, value] of Object.entries(preset.members)) {
    const own = OWN_NAMES[protocol][name] ?? name
    const isBound = BOUNDS.some((bound) => bound === own)
    if (value === undefined || name === 'model' || body[own] !== undefined || (isBounded && isBound)) continue
    missing.set(own, own === 'stop_sequences' && typeof value === 'string' ? [value] : value)
  }
  return Object.fromEntries(missing)
}
