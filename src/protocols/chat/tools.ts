// The tools of a chat request: functions, tools with free-form input, and those that providers run themselves.
import type { InvalidRequest } from '../../core/failure.ts'
import { isJsonObject } from '../../core/json.ts'
import type { Json, JsonObject } from '../../core/json.ts'
import type { HostedTool, NeutralTool, ToolChoice } from '../../core/neutral.ts'
import { err, ok } from '../../core/result.ts'
import type { Result } from '../../core/result.ts'
import { arrayOf, isJsonArray, objectOf, stringOf } from '../../wire/read.ts'
import { invalidRequest } from './facts.ts'
import { readCacheMark } from './parts.ts'

/** The functions among the tools. The error names the one that has no name. */
export function readTools(values: readonly Json[]): Result<readonly NeutralTool[], InvalidRequest> {
  const tools: NeutralTool[] = []
  for (let i = 0; i < values.length; i += 1) {
    const value = objectOf(values[i])
    if (!isFunctionTool(value)) continue
    const tool = objectOf(value['function'])
    const name = stringOf(tool['name'])
    if (name === null) {
      const field = `tools[${i}].function.name`
      return err(invalidRequest(field, `Missing required parameter: '${field}'.`))
    }
    tools.push(readTool(name, tool, value))
  }
  return ok(tools)
}

function isFunctionTool(tool: JsonObject): boolean {
  return tool['type'] === undefined || tool['type'] === 'function'
}

function readTool(name: string, tool: JsonObject, value: JsonObject): NeutralTool {
  const description = stringOf(tool['description'])
  const parameters = tool['parameters']
  const cacheMark = readCacheMark(value['cache_control'] ?? tool['cache_control'])
  const more = { ...others(value, TOOL_MEMBERS, ''), ...others(tool, FUNCTION_MEMBERS, 'function.') }
  return {
    name,
    ...(description === null ? {} : { description }),
    parameters: isJsonObject(parameters) && !isJsonArray(parameters) ? parameters : null,
    ...(typeof tool['strict'] === 'boolean' ? { strict: tool['strict'] } : {}),
    ...(cacheMark === null ? {} : { cacheMark }),
    ...(Object.keys(more).length === 0 ? {} : { more: { wire: 'openai-chat', value: more } }),
  }
}

const TOOL_MEMBERS: ReadonlySet<string> = new Set(['type', 'function', 'cache_control'])
const FUNCTION_MEMBERS: ReadonlySet<string> = new Set(['name', 'description', 'parameters', 'strict', 'cache_control'])

/** Members that are given and not `known`, with `prefix` before their names. */
function others(object: JsonObject, known: ReadonlySet<string>, prefix: string): JsonObject {
  const given = Object.entries(object).filter(([name, value]) => !known.has(name) && (value ?? null) !== null)
  return Object.fromEntries(given.map(([name, value]) => [prefix + name, value]))
}

/** Tools of other kinds, and the search that is a setting of its own (`web_search_options`). */
export function readHostedTools(body: JsonObject): readonly HostedTool[] {
  const tools = arrayOf(body['tools']).flatMap((value): readonly HostedTool[] => {
    const tool = objectOf(value)
    if (isFunctionTool(tool)) return []
    const type = stringOf(tool['type']) ?? ''
    const kind = /web_search/.test(type) ? 'web-search' : 'other'
    return [{ kind, wire: 'openai-chat', type, value: tool }]
  })
  const search = body['web_search_options']
  if (!isJsonObject(search)) return tools
  return [...tools, { kind: 'web-search', wire: 'openai-chat', type: 'web_search_options', value: search }]
}

/** The choice among the tools; null where none was made, or one of a form that has no neutral place. `any` is Mistral's. */
export function readToolChoice(choice: Json | undefined): ToolChoice | null {
  if (choice === 'auto' || choice === 'none' || choice === 'required') return { kind: choice }
  if (choice === 'any') return { kind: 'required' }
  const { function: callee, custom } = objectOf(choice)
  const name = stringOf(objectOf(callee ?? custom)['name'])
  return name === null ? null : { kind: 'tool', name }
}
