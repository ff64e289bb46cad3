// Reads a Messages request as Anthropic does, and refuses what Anthropic refuses, in its words
// (https://platform.claude.com/docs/en/api/messages). Pure.
import { isJsonObject, type Json, type JsonObject } from '../core/json.ts'
import { err, ok, type Result } from '../core/result.ts'
import { readPrompt, textIn, type Prompt } from './prompt.ts'
import type { Ask, OfferedTool, Refusal } from './provider.ts'

const CALLS_MAX = 2
const THINKING_TOKENS_MIN = 1024

/** The request, or Anthropic's refusal of it. */
export function readMessagesRequest(body: JsonObject): Result<Ask, Refusal> {
  const { model, messages, max_tokens: maxTokens } = body
  if (typeof model !== 'string' || model === '') return err(refuse('model: Field required'))
  const wrong = wrongMaxTokens(maxTokens) ?? wrongMessages(messages) ?? wrongThinking(body['thinking'], maxTokens)
  if (wrong) return err(wrong)
  const turns = Array.isArray(messages) ? messages.filter(isJsonObject) : []
  const tools = readTools(body['tools'])
  const preface = [textIn(body['system']), tools.length > 0 ? JSON.stringify(body['tools']) : '']
  const prompt = readPrompt(turns, preface.filter((text) => text !== '').join('\n'))
  return ok({
    model,
    isStreamed: body['stream'] === true,
    wantsUsage: true,
    isPadded: true,
    choices: 1,
    maxTokens: typeof maxTokens === 'number' ? maxTokens : null,
    promptText: prompt.text,
    lastUserText: prompt.lastUserText,
    continues: prompt.continues,
    images: prompt.images,
    messages: prompt.messages,
    calls: chooseCalls(tools, body['tool_choice'], prompt),
    hasPreamble: true,
    schema: readSchema(body),
    reasoning: thinks(body['thinking']) ? 'shown' : 'none',
  })
}

function wrongMaxTokens(maxTokens: Json | undefined): Refusal | null {
  if (maxTokens === undefined) return refuse('max_tokens: Field required')
  if (typeof maxTokens !== 'number' || !Number.isInteger(maxTokens)) {
    return refuse('max_tokens: Input should be a valid integer')
  }
  return maxTokens < 1 ? refuse('max_tokens: Input should be greater than or equal to 1') : null
}

function wrongMessages(messages: Json | undefined): Refusal | null {
  if (messages === undefined) return refuse('messages: Field required')
  if (!Array.isArray(messages)) return refuse('messages: Input should be a valid list')
  if (messages.length === 0) return refuse('messages: at least one message is required')
  for (const [index, message] of messages.entries()) {
    const wrong = isJsonObject(message) ? wrongMessage(message) : 'Input should be an object'
    if (wrong) return refuse(`messages.${index}${wrong.startsWith('.') ? '' : ': '}${wrong}`)
  }
  return null
}

function wrongMessage(message: JsonObject): string | null {
  const { role, content } = message
  if (role !== 'user' && role !== 'assistant') return ".role: Input should be 'user' or 'assistant'"
  if (content === undefined || content === null) return '.content: Field required'
  if (typeof content !== 'string' && !Array.isArray(content)) return '.content: Input should be a valid list'
  return content.length === 0 && role === 'user' ? 'user messages must have non-empty content' : null
}

function wrongThinking(thinking: Json | undefined, maxTokens: Json | undefined): Refusal | null {
  if (!isJsonObject(thinking) || thinking['type'] !== 'enabled') return null
  const budget = thinking['budget_tokens']
  if (typeof budget !== 'number') return refuse('thinking.enabled.budget_tokens: Field required')
  if (budget < THINKING_TOKENS_MIN) {
    return refuse(`thinking.enabled.budget_tokens: Input should be greater than or equal to ${THINKING_TOKENS_MIN}`)
  }
  const isTooMuch = typeof maxTokens === 'number' && budget >= maxTokens
  return isTooMuch ? refuse('`max_tokens` must be greater than `thinking.budget_tokens`.') : null
}

function thinks(thinking: Json | undefined): boolean {
  return isJsonObject(thinking) && (thinking['type'] === 'enabled' || thinking['type'] === 'adaptive')
}

function readTools(tools: Json | undefined): readonly OfferedTool[] {
  if (!Array.isArray(tools)) return []
  return tools.flatMap((tool) => {
    // Server tools (they have a type of their own and no schema) are run by the provider, not called by name.
    if (!isJsonObject(tool) || typeof tool['name'] !== 'string' || tool['input_schema'] === undefined) return []
    return [{ name: tool['name'], parameters: tool['input_schema'] }]
  })
}

/** Tools are called whenever they may be, until their results are there; two at once where that is allowed. */
function chooseCalls(tools: readonly OfferedTool[], choice: Json | undefined, prompt: Prompt): readonly OfferedTool[] {
  const options = isJsonObject(choice) ? choice : {}
  if (options['type'] === 'none') return []
  if (options['type'] === 'tool') return tools.filter((tool) => tool.name === options['name']).slice(0, 1)
  if (prompt.endsWithToolResult && options['type'] !== 'any') return []
  return tools.slice(0, options['disable_parallel_tool_use'] === true ? 1 : CALLS_MAX)
}

function readSchema(body: JsonObject): Json | null {
  const config = body['output_config']
  const format = isJsonObject(config) ? config['format'] : body['output_format']
  return isJsonObject(format) && format['type'] === 'json_schema' ? (format['schema'] ?? {}) : null
}

function refuse(message: string): Refusal {
  return { status: 400, message, code: null, param: null }
}
