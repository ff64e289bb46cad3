// What a request is for, in the client's words: its feature, session, prompt and metadata, as tags `name:value`. Reports, rules
// and the log of requests then know them as they know any tag.
import type { Json, JsonObject } from '../core/json.ts'
import { isJsonObject, parseJson } from '../core/json.ts'

const LABEL_CHARS_MAX = 128
const LABELS_MAX = 16
/** More of it isn't read. */
const METADATA_CHARS_MAX = 8_192
/** Who that is has a field of its own. */
const END_USER = 'user_id'

/** Tags of the headers `x-tidegate-feature`, `-session`, `-prompt` (`name@version`) and `-metadata` (a JSON object). */
export function labelsIn(headers: Headers): readonly string[] {
  const labels = ['feature', 'session'].flatMap((name) => labelOf(name, headers.get(`x-tidegate-${name}`)))
  const prompt = headers.get('x-tidegate-prompt')
  if (prompt !== null) {
    const at = prompt.lastIndexOf('@')
    // A version's figures are also those of its prompt.
    if (at > 0) labels.push(...labelOf('prompt', prompt.slice(0, at)))
    labels.push(...labelOf('prompt', prompt))
  }
  const metadata = headers.get('x-tidegate-metadata')
  if (metadata !== null && metadata.length <= METADATA_CHARS_MAX) labels.push(...labelsOf(parseJson(metadata)))
  return labels.slice(0, LABELS_MAX)
}

/** Tags of the members of a request's `metadata` that are texts, numbers or flags. None of anything else. */
export function labelsOf(metadata: Json | undefined): readonly string[] {
  if (!isJsonObject(metadata)) return []
  const members: JsonObject = metadata
  const labels = Object.keys(members).flatMap((name) => {
    const value = members[name]
    const isPlain = typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean'
    return name === END_USER || !isPlain ? [] : labelOf(name, `${value}`)
  })
  return labels.slice(0, LABELS_MAX)
}

/** A comma would end it wherever tags are listed. */
function labelOf(name: string, value: string | null): string[] {
  const said = value?.trim() ?? ''
  return said === '' ? [] : [`${name}:${said}`.replaceAll(',', ' ').slice(0, LABEL_CHARS_MAX)]
}
