// Reads the tools of a responses request, and which of them the model is to use.
// https://platform.openai.com/docs/api-reference/responses/create#responses-create-tools
import type { InvalidRequest } from '../../core/failure.ts'
import { isJsonObject } from '../../core/json.ts'
import type { Json, JsonObject } from '../../core/json.ts'
import type { HostedTool, NeutralRequest, NeutralTool, ToolChoice } from '../../core/neutral.ts'
import { err, ok } from '../../core/result.ts'
import type { Result } from '../../core/result.ts'
import { RESPONSES_WIRE } from '../../wire/openai-responses.ts'
import { arrayOf, objectOf, stringOf } from '../../wire/read.ts'
import { invalidRequest } from '../chat/facts.ts'

type Tools = Pick<NeutralRequest, 'tools' | 'hostedTools' | 'toolChoice' | 'extra'>

/** Functions, tools of other kinds, and the choice among them; a choice of a form of its own is left in `extra`. */
export function readTools(body: JsonObject): Result<Tools, InvalidRequest> {
  const tools: NeutralTool[] = []
  const hosted: HostedTool[] = []
  const values = arrayOf(body['tools'])
  for (let i = 0; i < values.length; i += 1) {
    const value = objectOf(values[i])
    const type = stringOf(value['type'])
    if (type === null) return err(missing(`tools[${i}].type`))
    if (type !== 'function') {
      hosted.push({ kind: type.startsWith('web_search') ? 'web-search' : 'other', wire: RESPONSES_WIRE, type, value })
      continue
    }
    const name = stringOf(value['name'])
    if (name === null) return err(missing(`tools[${i}].name`))
    tools.push(readFunction(name, value))
  }
  const given = body['tool_choice']
  const choice = readChoice(given)
  const isForeign = choice === null && given !== undefined && given !== null
  return ok({
    tools,
    ...(hosted.length === 0 ? {} : { hostedTools: hosted }),
    ...(choice === null ? {} : { toolChoice: choice }),
    extra: isForeign ? { tool_choice: given } : {},
  })
}

function missing(field: string): InvalidRequest {
  return invalidRequest(field, `Missing required parameter: '${field}'.`)
}

function readFunction(name: string, tool: JsonObject): NeutralTool {
  const description = stringOf(tool['description'])
  const parameters = tool['parameters']
  const { type: _, name: __, description: ___, parameters: ____, strict, ...more } = tool
  return {
    name,
    ...(description === null ? {} : { description }),
    parameters: isJsonObject(parameters) ? parameters : null,
    ...(typeof strict === 'boolean' ? { strict } : {}),
    ...(Object.keys(more).length === 0 ? {} : { more: { wire: RESPONSES_WIRE, value: more } }),
  }
}

/** The choice among the tools; null where none was made, or one of a form that has no neutral place. */
export function readChoice(choice: Json | undefined): ToolChoice | null {
  if (choice === 'auto' || choice === 'none' || choice === 'required') return { kind: choice }
  const { type, name } = objectOf(choice)
  const isNamed = (type === 'function' || type === 'custom') && typeof name === 'string'
  return isNamed ? { kind: 'tool', name } : null
}
