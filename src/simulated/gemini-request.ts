// Reads a generateContent request as Gemini does, and refuses what Gemini refuses, in its words
// (https://ai.google.dev/api/generate-content). The model and whether to stream stand in the path. Pure.
import { isJsonObject, type Json, type JsonObject } from '../core/json.ts'
import { err, ok, type Result } from '../core/result.ts'
import { readPrompt, textIn, type Prompt } from './prompt.ts'
import type { Ask, OfferedTool, Refusal } from './provider.ts'

const CALLS_MAX = 2
/** Models that insist on their signatures: from version 3 on. */
const SIGNING = /gemini-[3-9]/
const CALL = /\/models\/([^/:]+):(generateContent|streamGenerateContent)$/

/** The request to `url`, or Gemini's refusal of it. */
export function readGenerateRequest(body: JsonObject, url: URL): Result<Ask, Refusal> {
  const [, name, method] = CALL.exec(url.pathname) ?? []
  if (name === undefined) return err({ ...refuse('Requested entity was not found.'), status: 404 })
  const contents = listOf(body['contents'])
  const wrong = wrongContents(contents) ?? (SIGNING.test(name) ? wrongSignature(contents) : null)
  if (wrong !== null) return err(wrong)
  const config = objectIn(body, 'generationConfig')
  const tools = readTools(body)
  const system = textIn(objectIn(body, 'systemInstruction')['parts'])
  const preface = [system, tools.length > 0 ? JSON.stringify(body['tools']) : ''].filter((text) => text !== '')
  const prompt = readPrompt(
    contents.map((turn) => messageOf(turn)),
    preface.join('\n'),
  )
  const isStreamed = method === 'streamGenerateContent'
  return ok({
    model: decodeURIComponent(name),
    isStreamed,
    isArray: isStreamed && url.searchParams.get('alt') !== 'sse',
    wantsUsage: true,
    isPadded: false,
    choices: numberIn(config, 'candidateCount') ?? 1,
    maxTokens: numberIn(config, 'maxOutputTokens'),
    promptText: prompt.text,
    lastUserText: prompt.lastUserText,
    continues: prompt.continues,
    images: prompt.images,
    messages: prompt.messages,
    calls: chooseCalls(tools, objectIn(objectIn(body, 'toolConfig'), 'functionCallingConfig'), prompt),
    hasPreamble: false,
    schema: readSchema(config),
    reasoning: readReasoning(objectIn(config, 'thinkingConfig')),
  })
}

function wrongContents(contents: readonly JsonObject[]): Refusal | null {
  if (contents.length === 0) return refuse('* GenerateContentRequest.contents: contents is not specified\n')
  for (const [index, turn] of contents.entries()) {
    const role = turn['role'] ?? 'user'
    if (role !== 'user' && role !== 'model') return refuse('Please use a valid role: user, model.')
    if (listOf(turn['parts']).length === 0) {
      return refuse(`* GenerateContentRequest.contents[${index}].parts: contents.parts must not be empty.\n`)
    }
  }
  return null
}

/** The first call of each step of the turn that is going on has to bring its signature back. */
function wrongSignature(contents: readonly JsonObject[]): Refusal | null {
  const start = contents.findLastIndex((turn) => turn['role'] !== 'model' && textIn(turn['parts']) !== '')
  for (const turn of contents.slice(start + 1)) {
    const call = turn['role'] === 'model' ? listOf(turn['parts']).find((part) => callOf(part) !== null) : undefined
    if (call !== undefined && typeof (call['thoughtSignature'] ?? call['thought_signature']) !== 'string') {
      return refuse('Function call is missing a thought_signature in functionCall parts.')
    }
  }
  return null
}

function callOf(part: JsonObject): JsonObject | null {
  const call = part['functionCall'] ?? part['function_call']
  return isJsonObject(call) ? call : null
}

/** A turn as the other wires have it, which is how prompts are read. */
function messageOf(turn: JsonObject): JsonObject {
  const content = listOf(turn['parts']).map((part): JsonObject => {
    const call = callOf(part)
    if (call !== null) return { type: 'tool_use', input: call['args'] ?? {} }
    const result = part['functionResponse'] ?? part['function_response']
    if (isJsonObject(result)) return { type: 'tool_result', content: JSON.stringify(result['response'] ?? {}) }
    return typeof part['text'] === 'string' ? { type: 'text', text: part['text'] } : { type: 'image' }
  })
  return { role: turn['role'] === 'model' ? 'assistant' : 'user', content }
}

function readTools(body: JsonObject): readonly OfferedTool[] {
  return listOf(body['tools']).flatMap((tool) =>
    listOf(tool['functionDeclarations'] ?? tool['function_declarations']).flatMap((declared) => {
      if (typeof declared['name'] !== 'string') return []
      const parameters =
        declared['parametersJsonSchema'] ?? declared['parameters_json_schema'] ?? declared['parameters']
      return [{ name: declared['name'], parameters: parameters ?? {} }]
    }),
  )
}

/** Tools are called whenever they may be, until their results are there; two at once. */
function chooseCalls(tools: readonly OfferedTool[], config: JsonObject, prompt: Prompt): readonly OfferedTool[] {
  if (config['mode'] === 'NONE') return []
  if (prompt.endsWithToolResult && config['mode'] !== 'ANY') return []
  const allowed = config['allowedFunctionNames'] ?? config['allowed_function_names']
  const offered = Array.isArray(allowed) ? tools.filter((tool) => allowed.includes(tool.name)) : tools
  return offered.slice(0, CALLS_MAX)
}

function readSchema(config: JsonObject): Json | null {
  const type = config['responseMimeType'] ?? config['response_mime_type']
  if (type !== 'application/json') return null
  const schema = config['responseJsonSchema'] ?? config['responseSchema'] ?? config['response_schema']
  return schema ?? { type: 'object', properties: { answer: { type: 'string' } } }
}

function readReasoning(thinking: JsonObject): Ask['reasoning'] {
  if (numberIn(thinking, 'thinkingBudget') === 0 || Object.keys(thinking).length === 0) return 'none'
  return (thinking['includeThoughts'] ?? thinking['include_thoughts']) === true ? 'shown' : 'hidden'
}

function listOf(value: Json | undefined): readonly JsonObject[] {
  return Array.isArray(value) ? value.filter(isJsonObject) : []
}

/** A member by its name, or as it is spelt with underscores: the API takes both. */
function memberOf(object: JsonObject, name: string): Json | undefined {
  return object[name] ?? object[name.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)]
}

function objectIn(object: JsonObject, name: string): JsonObject {
  const value = memberOf(object, name)
  return isJsonObject(value) ? value : {}
}

function numberIn(object: JsonObject, name: string): number | null {
  const value = memberOf(object, name)
  return typeof value === 'number' ? value : null
}

function refuse(message: string): Refusal {
  return { status: 400, message, code: null, param: null }
}
