// The older completions wire: one text for a prompt, no messages. Usage, finish reasons and errors are those of the chat
// wire. https://platform.openai.com/docs/api-reference/completions
import type { Json, JsonObject } from '../core/json.ts'
import { isJsonArray, objectOf, stringOf } from './read.ts'

/** A prompt that is one text; null for several, for tokens, and for none. */
export function plainPromptOf(prompt: Json | undefined): string | null {
  if (typeof prompt === 'string') return prompt
  if (!isJsonArray(prompt) || prompt.length !== 1) return null
  return typeof prompt[0] === 'string' ? prompt[0] : null
}

/** How many prompts there are: each has replies of its own, those of the first prompt first. */
export function promptCount(prompt: Json | undefined): number {
  if (!isJsonArray(prompt) || prompt.length === 0) return 1
  return prompt.every((item) => typeof item === 'number') ? 1 : prompt.length
}

/** The text of a choice, whole or a piece of it; some servers have it only in a delta as the chat wire does. */
export function textOfChoice(choice: JsonObject): string {
  return stringOf(choice['text']) ?? stringOf(objectOf(choice['delta'])['content']) ?? ''
}
