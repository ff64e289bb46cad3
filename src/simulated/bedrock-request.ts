// Reads a Converse request as Bedrock does, and refuses what Bedrock refuses, in its words
// (https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html). The model and whether to stream
// stand in the path. Pure.
import { isJsonObject, parseJson, type Json, type JsonObject } from '../core/json.ts'
import { err, ok, type Result } from '../core/result.ts'
import { readPrompt, textIn, type Prompt } from './prompt.ts'
import type { Ask, OfferedTool, Refusal } from './provider.ts'

const CALLS_MAX = 2
const CALL = /\/model\/([^/]+)\/(converse|converse-stream)$/

/** The request to `url`, or Bedrock's refusal of it. */
export function readConverseRequest(body: JsonObject, url: URL): Result<Ask, Refusal> {
  const [, name, action] = CALL.exec(url.pathname) ?? []
  if (name === undefined) return err({ status: 404, message: 'UnknownOperationException', code: null, param: null })
  const messages = listOf(body['messages'])
  const config = objectOf(body['toolConfig'])
  const wrong = wrongMessages(messages, config)
  if (wrong !== null) return err(refuse(wrong))
  const inference = objectOf(body['inferenceConfig'])
  const more = objectOf(body['additionalModelRequestFields'])
  const tools = readTools(config)
  const preface = [textIn(body['system']), tools.length > 0 ? JSON.stringify(config['tools']) : '']
  const turns = messages.map((message) => messageOf(message))
  const prompt = readPrompt(turns, preface.filter((text) => text !== '').join('\n'))
  return ok({
    model: decodeURIComponent(name),
    isStreamed: action === 'converse-stream',
    wantsUsage: true,
    isPadded: true,
    choices: 1,
    maxTokens: typeof inference['maxTokens'] === 'number' ? inference['maxTokens'] : null,
    promptText: prompt.text,
    lastUserText: prompt.lastUserText,
    continues: prompt.continues,
    images: prompt.images,
    messages: prompt.messages,
    calls: chooseCalls(tools, objectOf(config['toolChoice']), prompt),
    hasPreamble: true,
    schema: readSchema(body),
    reasoning: thinks(more['thinking']) || thinks(more['reasoningConfig']) ? 'shown' : 'none',
  })
}

function wrongMessages(messages: readonly JsonObject[], toolConfig: JsonObject): string | null {
  if (messages.length === 0) return "1 validation error detected: Value at 'messages' failed to satisfy constraint"
  if (messages[0]?.['role'] !== 'user') {
    return 'A conversation must start with a user message. Try again with a conversation that starts with a user message.'
  }
  for (const [place, message] of messages.entries()) {
    const wrong = wrongContent(listOf(message['content']), `messages.${place}`)
    if (wrong !== null) return wrong
  }
  const usesTools = messages.some(({ content }) =>
    listOf(content).some((block) => block['toolUse'] ?? block['toolResult']),
  )
  if (!usesTools || listOf(toolConfig['tools']).length > 0) return null
  return 'The toolConfig field must be defined when using toolUse and toolResult content blocks.'
}

function wrongContent(blocks: readonly JsonObject[], place: string): string | null {
  if (blocks.length === 0) return `The content field in the Message object at ${place} is empty.`
  const blank = blocks.findIndex(({ text }) => typeof text === 'string' && text.trim() === '')
  if (blank === -1) return null
  return (
    `The text field in the ContentBlock object at ${place}.content.${blank} is blank. ` +
    'Add text to the text field, and try again.'
  )
}

/** A turn as the other wires have it, which is how prompts are read. */
function messageOf(message: JsonObject): JsonObject {
  const content = listOf(message['content']).map((block): JsonObject => {
    if (typeof block['text'] === 'string') return { type: 'text', text: block['text'] }
    const { toolUse, toolResult, image } = block
    if (isJsonObject(toolUse)) return { type: 'tool_use', input: toolUse['input'] ?? {} }
    if (isJsonObject(toolResult)) return { type: 'tool_result', content: JSON.stringify(toolResult['content'] ?? []) }
    return { type: image === undefined ? 'other' : 'image' }
  })
  return { role: message['role'] ?? '', content }
}

function readTools(config: JsonObject): readonly OfferedTool[] {
  return listOf(config['tools']).flatMap((tool) => {
    const { name, inputSchema } = objectOf(tool['toolSpec'])
    return typeof name === 'string' ? [{ name, parameters: objectOf(inputSchema)['json'] ?? {} }] : []
  })
}

/** Tools are called whenever they may be, until their results are there; two at once. */
function chooseCalls(tools: readonly OfferedTool[], choice: JsonObject, prompt: Prompt): readonly OfferedTool[] {
  const only = choice['tool']
  if (isJsonObject(only)) return tools.filter((tool) => tool.name === only['name']).slice(0, 1)
  if (prompt.endsWithToolResult && choice['any'] === undefined) return []
  return tools.slice(0, CALLS_MAX)
}

function readSchema(body: JsonObject): Json | null {
  const format = objectOf(objectOf(body['outputConfig'])['textFormat'])
  const { schema } = objectOf(objectOf(format['structure'])['jsonSchema'])
  return typeof schema === 'string' ? (parseJson(schema) ?? {}) : null
}

function thinks(thinking: Json | undefined): boolean {
  return isJsonObject(thinking) && (thinking['type'] === 'enabled' || thinking['type'] === 'adaptive')
}

function objectOf(value: Json | undefined): JsonObject {
  return isJsonObject(value) ? value : {}
}

function listOf(value: Json | undefined): readonly JsonObject[] {
  return Array.isArray(value) ? value.filter(isJsonObject) : []
}

function refuse(message: string): Refusal {
  return { status: 400, message, code: null, param: null }
}
