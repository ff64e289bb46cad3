// The settings of a messages request that say more than one thing: thinking and effort, the form of the reply, the choice
// among tools. https://platform.claude.com/docs/en/build-with-claude/extended-thinking
import { isJsonObject } from '../../core/json.ts'
import type { JsonObject } from '../../core/json.ts'
import type { NeutralRequest, ReasoningRequest, ResponseFormat } from '../../core/neutral.ts'
import { numberOf, objectOf, stringOf } from '../../wire/read.ts'

const MODES: Readonly<Record<string, 'on' | 'off' | 'adaptive'>> = {
  enabled: 'on',
  disabled: 'off',
  adaptive: 'adaptive',
}

/** True for thinking of a kind that the neutral form has no word for. */
export function isUnknownThinking(body: JsonObject): boolean {
  const type = objectOf(body['thinking'])['type']
  return type !== undefined && (typeof type !== 'string' || !Object.hasOwn(MODES, type))
}

/** What is asked of thinking and effort; null for nothing that the neutral form has a word for. */
export function readReasoning(body: JsonObject): ReasoningRequest | null {
  const thinking = objectOf(body['thinking'])
  const effort = stringOf(objectOf(body['output_config'])['effort'])
  const type = stringOf(thinking['type'])
  const mode = type === null || !Object.hasOwn(MODES, type) ? undefined : MODES[type]
  const maxTokens = numberOf(thinking['budget_tokens'])
  const display = stringOf(thinking['display'])
  if (mode === undefined && effort === null) return null
  return {
    ...(effort === null ? {} : { effort }),
    ...(mode === undefined ? {} : { mode }),
    ...(maxTokens === null ? {} : { maxTokens }),
    ...(display === null ? {} : { summary: display === 'omitted' ? 'none' : 'auto' }),
  }
}

/** The form that the reply has to have; null for any. `output_format` is what it was called first. */
export function readOutput(body: JsonObject): ResponseFormat | null {
  const format = objectOf(objectOf(body['output_config'])['format'] ?? body['output_format'])
  if (format['type'] !== 'json_schema' || !isJsonObject(format['schema'])) return null
  return { kind: 'json-schema', name: 'response', schema: format['schema'], strict: true }
}

/** The choice among tools, and whether several may be called at once. */
export function readToolChoice(choice: JsonObject): Pick<NeutralRequest, 'toolChoice' | 'parallelToolCalls'> {
  const single = choice['disable_parallel_tool_use']
  const parallel = typeof single === 'boolean' ? { parallelToolCalls: !single } : {}
  const name = stringOf(choice['name'])
  switch (choice['type']) {
    case 'auto':
    case 'none':
      return { toolChoice: { kind: choice['type'] }, ...parallel }
    case 'any':
      return { toolChoice: { kind: 'required' }, ...parallel }
    case 'tool':
      return name === null ? parallel : { toolChoice: { kind: 'tool', name }, ...parallel }
    default:
      return parallel
  }
}
