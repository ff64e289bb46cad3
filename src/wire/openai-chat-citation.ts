// Where text comes from, on the chat wire: OpenAI's `annotations`, and the lists that Perplexity puts beside the choices.
// https://platform.openai.com/docs/guides/tools-web-search?api-mode=chat#output-and-citations
// https://docs.perplexity.ai/api-reference/chat-completions-post
import { isJsonObject } from '../core/json.ts'
import type { Json, JsonObject } from '../core/json.ts'
import type { Citation } from '../core/neutral.ts'
import { arrayOf, numberOf, objectOf, stringOf } from './read.ts'
import { withoutUndefined } from './write.ts'

/** An annotation as a citation; one of a kind of its own keeps its words. Null for what is none. */
export function readAnnotation(value: Json): Citation | null {
  if (!isJsonObject(value)) return null
  const inner = value['url_citation']
  if (!isJsonObject(inner)) {
    return stringOf(value['type']) === null ? null : { wire: 'openai-chat', value }
  }
  return citationOf({
    url: stringOf(inner['url']),
    title: stringOf(inner['title']),
    citedText: stringOf(inner['content']),
    start: numberOf(inner['start_index']),
    end: numberOf(inner['end_index']),
  })
}

/** Sources that a reply names beside its choices, the fuller list first; none where it names none. */
export function readSources(body: JsonObject): readonly Citation[] {
  const results = arrayOf(body['search_results'])
  const list = results.length > 0 ? results : arrayOf(body['citations'])
  return list.flatMap((value) => {
    const source = objectOf(value)
    const url = stringOf(value) ?? stringOf(source['url'])
    if (url === null) return []
    const { title, snippet } = source
    return [citationOf({ url, title: stringOf(title), citedText: stringOf(snippet), start: null, end: null })]
  })
}

/** A citation as an annotation. One without an address is written with an empty one, so that its title isn't lost. */
export function writeAnnotation(citation: Citation): JsonObject {
  if (citation.wire === 'openai-chat' && citation.value !== undefined) return citation.value
  const { url = '', title = '', citedText, start = 0, end = 0 } = citation
  const inner = withoutUndefined({ url, title, start_index: start, end_index: end, content: citedText })
  return { type: 'url_citation', url_citation: inner }
}

function citationOf(fields: {
  readonly url: string | null
  readonly title: string | null
  readonly citedText: string | null
  readonly start: number | null
  readonly end: number | null
}): Citation {
  const { url, title, citedText, start, end } = fields
  return {
    ...(url === null ? {} : { url }),
    ...(title === null ? {} : { title }),
    ...(citedText === null ? {} : { citedText }),
    ...(start === null ? {} : { start }),
    ...(end === null ? {} : { end }),
  }
}
