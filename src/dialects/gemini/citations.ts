// Where a Gemini reply says its text comes from: pages that it was grounded on, and passages that it recites. Offsets are
// bytes of UTF-8 on this wire. https://ai.google.dev/api/generate-content#GroundingMetadata (read 2026-11-21)
import type { Json, JsonObject } from '../../core/json.ts'
import type { Citation } from '../../core/neutral.ts'
import { arrayOf, isJsonArray, numberOf, objectOf, stringOf } from '../../wire/read.ts'

/** The citations of a candidate, `text` being the text so far of the part that they speak of. Offsets that don't lie in it
 *  are left out. */
export function readCitations(candidate: JsonObject, text: string): readonly Citation[] {
  const grounding = objectOf(candidate['groundingMetadata'])
  const recited = objectOf(candidate['citationMetadata'])
  const passages = isJsonArray(recited['citationSources']) ? recited['citationSources'] : recited['citations']
  return [...groundedIn(grounding, text), ...arrayOf(passages).map((passage) => recitedFrom(objectOf(passage), text))]
}

function groundedIn(grounding: JsonObject, text: string): readonly Citation[] {
  const chunks = arrayOf(grounding['groundingChunks']).map((chunk) => sourceOf(objectOf(chunk)))
  const supports = arrayOf(grounding['groundingSupports'])
  if (supports.length === 0) return chunks.filter((source) => Object.keys(source).length > 0)
  return supports.flatMap((value) => {
    const support = objectOf(value)
    const place = placeOf(objectOf(support['segment']), text)
    return arrayOf(support['groundingChunkIndices']).flatMap((index) => {
      const source = typeof index === 'number' ? chunks[index] : undefined
      return source === undefined ? [] : [{ ...source, ...place }]
    })
  })
}

/** The address and the title of a page, a file of a store, or a place on the map. */
function sourceOf(chunk: JsonObject): Citation {
  const source = objectOf(chunk['web'] ?? chunk['retrievedContext'] ?? chunk['maps'] ?? chunk['image'])
  return withSource(stringOf(source['uri']) ?? stringOf(source['sourceUri']), stringOf(source['title']))
}

function recitedFrom(passage: JsonObject, text: string): Citation {
  const source = withSource(stringOf(passage['uri']), stringOf(passage['title']))
  return { ...source, ...placeOf(passage, text) }
}

function withSource(url: string | null, title: string | null): Citation {
  return { ...(url === null ? {} : { url }), ...(title === null ? {} : { title }) }
}

/** Where in the text a segment is: where its offsets say, if its own text stands there, else where that text is found. */
function placeOf(segment: JsonObject, text: string): Citation {
  const quoted = stringOf(segment['text'])
  const start = unitsBefore(text, offsetOf(segment['startIndex']) ?? 0)
  const end = unitsBefore(text, offsetOf(segment['endIndex']) ?? -1)
  const isThere = start !== null && end !== null && start < end
  if (isThere && (quoted === null || text.slice(start, end) === quoted)) {
    return { citedText: text.slice(start, end), start, end }
  }
  if (quoted === null) return {}
  const found = text.indexOf(quoted)
  return found === -1 ? { citedText: quoted } : { citedText: quoted, start: found, end: found + quoted.length }
}

function offsetOf(value: Json | undefined): number | null {
  return numberOf(typeof value === 'string' ? Number(value) : value)
}

/** How many UTF-16 units come before that many bytes of UTF-8; null where the text is shorter. */
function unitsBefore(text: string, bytes: number): number | null {
  let left = bytes
  let units = 0
  for (const character of text) {
    if (left <= 0) break
    const code = character.codePointAt(0) ?? 0
    left -= code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4
    units += character.length
  }
  return left > 0 || bytes < 0 ? null : units
}
