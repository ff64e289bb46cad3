// A stand-in that speaks OpenAI's Responses wire, for official clients in front of it: it thinks aloud when asked to, seals
// its thoughts, calls the tools that it is offered, two at once, and keeps to a schema. The replies follow from the request.
// Shapes: https://platform.openai.com/docs/api-reference/responses and /responses-streaming, read 2026-11-21.
import { type Json, type JsonObject, isJsonObject } from '../../src/core/json.ts'

export const RESPONSES_TEXT = 'The tide comes in twice a day because the earth turns under two bulges of water.'
export const RESPONSES_SUMMARY = 'The moon pulls, the earth turns.'
export const RESPONSES_SEAL = 'gAAAAAtideSealedThoughts=='
export const RESPONSES_USAGE = { input: 21, cached: 4, output: 34, reasoning: 8 }

function listOf(value: Json | undefined): readonly JsonObject[] {
  return Array.isArray(value) ? value.filter(isJsonObject) : []
}

function outputOf(body: JsonObject): readonly JsonObject[] {
  const text = isJsonObject(body['text']) && isJsonObject(body['text']['format']) ? body['text']['format'] : {}
  const include = Array.isArray(body['include']) ? body['include'] : []
  const isAnswered = listOf(body['input']).at(-1)?.['type'] === 'function_call_output'
  const tools = listOf(body['tools']).filter(({ type }) => type === 'function')
  const called = isAnswered || body['tool_choice'] === 'none' ? [] : tools.slice(0, 2)
  const thought: JsonObject = {
    id: 'rs_tide',
    type: 'reasoning',
    summary: [{ type: 'summary_text', text: RESPONSES_SUMMARY }],
    ...(include.includes('reasoning.encrypted_content') ? { encrypted_content: RESPONSES_SEAL } : {}),
  }
  const calls = called.map((tool, index) => ({
    id: `fc_tide${index}`,
    type: 'function_call',
    status: 'completed',
    call_id: `call_tide${index}`,
    name: tool['name'] ?? '',
    arguments: argumentsFor(tool),
  }))
  const words = text['type'] === 'json_schema' ? '{"port":"Brest"}' : RESPONSES_TEXT
  const said = { type: 'output_text', text: words, annotations: [], logprobs: [] }
  const message = { id: 'msg_tide', type: 'message', status: 'completed', role: 'assistant', content: [said] }
  const reasons = isJsonObject(body['reasoning']) && body['reasoning']['effort'] !== 'none'
  return [...(reasons ? [thought] : []), ...(calls.length > 0 ? calls : [message])]
}

/** Every member that a tool insists on, each a place. */
function argumentsFor({ parameters }: JsonObject): string {
  const required = isJsonObject(parameters) && Array.isArray(parameters['required']) ? parameters['required'] : []
  return JSON.stringify(Object.fromEntries(required.map((name) => [String(name), 'Brest'])))
}

function responseOf(body: JsonObject, status: string, output: readonly JsonObject[]): JsonObject {
  const { input, cached, output: produced, reasoning } = RESPONSES_USAGE
  const usage = {
    input_tokens: input,
    input_tokens_details: { cached_tokens: cached },
    output_tokens: produced,
    output_tokens_details: { reasoning_tokens: reasoning },
    total_tokens: input + produced,
  }
  return {
    id: 'resp_tide',
    object: 'response',
    created_at: 1_760_000_000,
    status,
    error: null,
    incomplete_details: null,
    instructions: body['instructions'] ?? null,
    max_output_tokens: body['max_output_tokens'] ?? null,
    model: body['model'] ?? '',
    output,
    parallel_tool_calls: true,
    previous_response_id: body['previous_response_id'] ?? null,
    reasoning: { effort: null, summary: null },
    store: body['store'] ?? true,
    temperature: 1,
    text: body['text'] ?? { format: { type: 'text' } },
    tool_choice: body['tool_choice'] ?? 'auto',
    tools: body['tools'] ?? [],
    top_p: 1,
    truncation: 'disabled',
    usage: status === 'completed' ? usage : null,
    metadata: {},
  }
}

/** The whole reply to a request. */
export function wholeResponse(body: JsonObject): JsonObject {
  return responseOf(body, 'completed', outputOf(body))
}

/** The same as a stream of named events, each with its number. */
export function streamedResponse(body: JsonObject): string {
  const output = outputOf(body)
  const events = [
    { type: 'response.created', response: responseOf(body, 'in_progress', []) },
    { type: 'response.in_progress', response: responseOf(body, 'in_progress', []) },
    ...output.flatMap((item, index) => itemEvents(item, index)),
    { type: 'response.completed', response: responseOf(body, 'completed', output) },
  ]
  return events
    .map((event, index) => `event: ${event.type}\ndata: ${JSON.stringify({ ...event, sequence_number: index })}\n\n`)
    .join('')
}

type StreamEvent = JsonObject & { readonly type: string }

function itemEvents(item: JsonObject, index: number): readonly StreamEvent[] {
  const place = { item_id: item['id'] ?? '', output_index: index }
  const opened = { ...item, status: 'in_progress' }
  const done = { type: 'response.output_item.done', output_index: index, item }
  const added = (value: JsonObject) => ({ type: 'response.output_item.added', output_index: index, item: value })
  if (item['type'] === 'function_call') {
    return [added({ ...opened, arguments: '' }), ...callEvents(String(item['arguments']), place), done]
  }
  if (item['type'] === 'reasoning') {
    return [added({ id: item['id'] ?? '', type: 'reasoning', summary: [] }), ...summaryEvents(place), done]
  }
  const text = String(listOf(item['content'])[0]?.['text'])
  return [added({ ...opened, content: [] }), ...textEvents(text, { ...place, content_index: 0 }), done]
}

function callEvents(text: string, place: JsonObject): readonly StreamEvent[] {
  const type = 'response.function_call_arguments'
  return [
    ...piecesOf(text).map((delta) => ({ type: `${type}.delta`, ...place, delta })),
    { type: `${type}.done`, ...place, arguments: text },
  ]
}

function summaryEvents(itemPlace: JsonObject): readonly StreamEvent[] {
  const place = { ...itemPlace, summary_index: 0 }
  const type = 'response.reasoning_summary'
  const part = (text: string) => ({ type: 'summary_text', text })
  return [
    { type: `${type}_part.added`, ...place, part: part('') },
    ...piecesOf(RESPONSES_SUMMARY).map((delta) => ({ type: `${type}_text.delta`, ...place, delta })),
    { type: `${type}_text.done`, ...place, text: RESPONSES_SUMMARY },
    { type: `${type}_part.done`, ...place, part: part(RESPONSES_SUMMARY) },
  ]
}

function textEvents(text: string, place: JsonObject): readonly StreamEvent[] {
  const part = (words: string) => ({ type: 'output_text', annotations: [], logprobs: [], text: words })
  return [
    { type: 'response.content_part.added', ...place, part: part('') },
    ...piecesOf(text).map((delta) => ({ type: 'response.output_text.delta', ...place, delta, logprobs: [] })),
    { type: 'response.output_text.done', ...place, text, logprobs: [] },
    { type: 'response.content_part.done', ...place, part: part(text) },
  ]
}

function piecesOf(text: string): readonly string[] {
  return text.match(/.{1,6}/gsu) ?? []
}
