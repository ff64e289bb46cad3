// Writes a neutral request in the OpenAI chat form: the translated lane towards OpenAI-compatible providers. Fields in
// `extra` already have this wire's names and go on as they are.
import type { Json, JsonObject } from '../core/json.ts'
import { writeAssistantMessage } from '../wire/openai-chat-assistant.ts'
import { arrayOf } from '../wire/read.ts'
import { withoutUndefined } from '../wire/write.ts'
import type { NeutralMessage, NeutralPart, NeutralRequest, ResponseFormat, ToolChoice } from '../core/neutral.ts'

/** The request body, with `model` and the output bound as given (null: none). */
export function writeChatRequest(request: NeutralRequest, model: string, maxOutputTokens: number | null): JsonObject {
  return withoutUndefined({
    ...request.extra,
    model,
    messages: request.messages.flatMap((message) => writeMessage(message)),
    stream: request.stream ? true : undefined,
    stream_options: request.stream ? { include_usage: true } : undefined,
    tools: writeTools(request),
    tool_choice: request.toolChoice === undefined ? undefined : writeToolChoice(request.toolChoice),
    parallel_tool_calls: request.parallelToolCalls,
    response_format: request.responseFormat === undefined ? undefined : writeFormat(request.responseFormat),
    max_completion_tokens: maxOutputTokens ?? undefined,
    temperature: request.temperature,
    top_p: request.topP,
    stop: request.stop,
    seed: request.seed,
    n: request.n,
    reasoning_effort: request.reasoning?.effort,
    user: request.endUser,
  })
}

function writeMessage(message: NeutralMessage): readonly JsonObject[] {
  const results: JsonObject[] = []
  const rest: NeutralPart[] = []
  for (const part of message.parts) {
    if (part.kind === 'tool-result') {
      results.push({ role: 'tool', tool_call_id: part.callId, content: writeContent(part.content) })
    } else rest.push(part)
  }
  if (rest.length === 0 && results.length > 0) return results
  const name = message.name === undefined ? {} : { name: message.name }
  const body =
    message.role === 'assistant' ? writeAssistantMessage(rest) : { role: message.role, content: writeContent(rest) }
  return [...results, { ...body, ...name }]
}

function writeContent(parts: readonly NeutralPart[]): Json {
  const only = parts.length === 1 ? parts[0] : undefined
  if (only?.kind === 'text') return only.text
  return parts.flatMap((part) => writePart(part))
}

function writePart(part: NeutralPart): readonly JsonObject[] {
  switch (part.kind) {
    case 'text':
      return [{ type: 'text', text: part.text }]
    case 'image': {
      const source = part.source
      if (source.kind === 'file') return []
      const url = source.kind === 'url' ? source.url : `data:${source.mediaType};base64,${source.data}`
      return [{ type: 'image_url', image_url: withoutUndefined({ url, detail: part.detail }) }]
    }
    case 'other':
      return [part.value]
    default:
      return []
  }
}

/** Functions, then tools of other kinds, which this wire knows. */
function writeTools(request: NeutralRequest): readonly Json[] | undefined {
  const tools = [...request.tools.map((tool) => writeTool(tool)), ...arrayOf(request.extra['tools'])]
  return tools.length === 0 ? undefined : tools
}

function writeTool(tool: NeutralRequest['tools'][number]): JsonObject {
  return {
    type: 'function',
    function: withoutUndefined({
      name: tool.name,
      description: tool.description,
      parameters: tool.parameters ?? undefined,
      strict: tool.strict,
    }),
  }
}

function writeToolChoice(choice: ToolChoice): Json {
  return choice.kind === 'tool' ? { type: 'function', function: { name: choice.name } } : choice.kind
}

function writeFormat(format: ResponseFormat): JsonObject {
  if (format.kind === 'text') return { type: 'text' }
  if (format.kind === 'json-object') return { type: 'json_object' }
  return { type: 'json_schema', json_schema: { name: format.name, schema: format.schema, strict: format.strict } }
}
