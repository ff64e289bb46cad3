// Requests that Cohere and Ollama accepted: put into OpenAI's words and translated back, they ask for the same.
import { describe, expect, test } from 'vitest'
import { parseJson } from '../../src/core/json.ts'
import type { Json, JsonObject } from '../../src/core/json.ts'
import { dialects, protocols } from '../support/registries.ts'
import { arrayOf, isJsonArray, objectOf } from '../../src/wire/read.ts'
import { withoutUndefined } from '../../src/wire/write.ts'
import { TARGET } from '../support/target.ts'
import { type Exchange, loadExchanges, missingCorpus } from './exchanges.ts'

if (missingCorpus !== null) test.skip(`recorded requests: ${missingCorpus}`, () => {})

const NO_EDITS = { model: null, forceUsage: false, maxOutputTokens: null }

/** Documents have a place of their own on Cohere's wire that no chat request can name. */
const accepted = (api: string): readonly Exchange[] =>
  loadExchanges(api).filter(({ status, requestBody }) => {
    const text = JSON.stringify(requestBody)
    return status === 200 && requestBody['messages'] !== undefined && !text.includes('"type":"document"')
  })

const SETS = [
  ['cohere.v2.chat', 'cohere', chatOfCohere, cohereEssence],
  ['ollama.chat', 'ollama', chatOfOllama, ollamaEssence],
] as const

for (const [api, name, chatOf, essence] of SETS) {
  const exchanges = accepted(api)
  describe.runIf(exchanges.length > 0)(`recorded ${api} requests`, () => {
    test.each(exchanges.map((exchange) => [exchange.id, exchange] as const))('%s', (_, { requestBody }) => {
      const read = protocols.chat.read(chatOf(requestBody))
      if (!read.ok) throw new Error(`${read.error.field}: ${read.error.message}`)
      const target = { ...TARGET, dialect: name, model: '*' }
      expect(dialects[name].gaps(read.value, target)).toEqual([])
      const written = parseJson(dialects[name].write(read.value, target, NO_EDITS).body)
      expect(essence(objectOf(written))).toEqual(essence(requestBody))
    })
  })
}

function chatOfCohere(body: JsonObject): JsonObject {
  const { p, k, stop_sequences, tool_choice, response_format, thinking, messages, ...rest } = body
  const schema = objectOf(response_format)['json_schema']
  const mode = objectOf(thinking)['type']
  return withoutUndefined({
    ...rest,
    messages: arrayOf(messages).map((message) => withReasoning(objectOf(message))),
    top_p: p,
    top_k: k,
    stop: stop_sequences,
    tool_choice: typeof tool_choice === 'string' ? tool_choice.toLowerCase() : undefined,
    response_format:
      schema === undefined
        ? response_format
        : { type: 'json_schema', json_schema: { name: 'reply', schema, strict: true } },
    thinking: mode === undefined ? undefined : { type: mode },
  })
}

/** Cohere's thinking parts are the chat wire's `reasoning_content`. */
function withReasoning(message: JsonObject): JsonObject {
  const { content } = message
  if (!isJsonArray(content)) return message
  const thoughts = content.flatMap((part) => objectOf(part)['thinking'] ?? [])
  const rest = content.filter((part) => objectOf(part)['type'] !== 'thinking')
  const reasoning = thoughts.length === 0 ? {} : { reasoning_content: thoughts.join('') }
  return { ...message, content: rest, ...reasoning }
}

/** What a Cohere request asks for: without what is the default, and a lone text as a text. */
function cohereEssence(body: JsonObject): Json {
  const { documents, stream, messages, ...rest } = body
  const turns = arrayOf(messages).map((value) => {
    const { content, ...message } = objectOf(value)
    const parts = isJsonArray(content) ? content : typeof content === 'string' ? [{ type: 'text', text: content }] : []
    return { ...message, content: parts.filter((part) => objectOf(part)['text'] !== '') }
  })
  return {
    ...rest,
    messages: turns,
    ...(stream === true ? { stream } : {}),
    ...(arrayOf(documents).length === 0 ? {} : { documents: documents ?? null }),
  }
}

function chatOfOllama(body: JsonObject): JsonObject {
  const { options, format, think, messages, keep_alive: _, ...rest } = body
  const { num_predict, ...settings } = objectOf(options)
  let calls = 0
  return withoutUndefined({
    ...rest,
    ...settings,
    stream: body['stream'] !== false,
    messages: arrayOf(messages).map((value) => {
      const { tool_calls, thinking, tool_name: _name, ...message } = objectOf(value)
      if (message['role'] === 'tool') return { ...message, tool_call_id: `call_${calls - 1}` }
      const asked = arrayOf(tool_calls).map((call) => {
        const callee = objectOf(objectOf(call)['function'])
        const id = `call_${calls}`
        calls += 1
        return { id, type: 'function', function: { ...callee, arguments: JSON.stringify(callee['arguments']) } }
      })
      return withoutUndefined({
        ...message,
        reasoning_content: thinking,
        tool_calls: asked.length === 0 ? undefined : asked,
      })
    }),
    max_tokens: num_predict,
    response_format: chatFormat(format),
    reasoning_effort: think === true ? 'high' : think === false ? 'none' : undefined,
  })
}

function chatFormat(format: Json | undefined): Json | undefined {
  if (format === undefined || format === '') return undefined
  if (format === 'json') return { type: 'json_object' }
  return { type: 'json_schema', json_schema: { name: 'reply', schema: format, strict: true } }
}

/** What an Ollama request asks for: without ids, which only newer versions know, and without what is the default. */
function ollamaEssence(body: JsonObject): Json {
  const { options, format, keep_alive: _, stream, think, tools, messages, ...rest } = body
  const turns = arrayOf(messages).map((value) => {
    const { tool_call_id: _id, tool_name: _name, tool_calls, ...message } = objectOf(value)
    const calls = arrayOf(tool_calls).map((call) => {
      const { name, arguments: given } = objectOf(objectOf(call)['function'])
      return { name: name ?? null, arguments: given ?? null }
    })
    return { ...message, calls }
  })
  return {
    ...rest,
    messages: turns,
    options: objectOf(options),
    tools: arrayOf(tools),
    format: format === '' ? null : (format ?? null),
    stream: stream !== false,
    thinks: think === undefined ? null : think !== false,
  }
}
