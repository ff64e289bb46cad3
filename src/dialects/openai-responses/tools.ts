// Tools as the responses wire has them: functions, and tools of other kinds, its own and those that other wires have too.
// https://platform.openai.com/docs/api-reference/responses/create#responses-create-tools
import type { Json, JsonObject } from '../../core/json.ts'
import type { HostedTool, NeutralRequest, NeutralTool } from '../../core/neutral.ts'
import { RESPONSES_WIRE } from '../../wire/openai-responses.ts'
import { arrayOf, objectOf, stringOf } from '../../wire/read.ts'
import { withoutUndefined } from '../../wire/write.ts'

/** All tools of a request; undefined for none. What has no form here is left out: it was a gap. */
export function writeTools(request: NeutralRequest): readonly Json[] | undefined {
  const hosted = (request.hostedTools ?? []).map((tool) => writeHostedTool(tool)).filter((tool) => tool !== null)
  const tools = [...request.tools.map((tool) => writeFunction(tool)), ...hosted]
  return tools.length === 0 ? undefined : tools
}

/** The choice among the tools. */
export function writeToolChoice(request: NeutralRequest): Json | undefined {
  const choice = request.toolChoice
  if (choice?.kind !== 'tool') return choice?.kind
  const isCustom = (request.hostedTools ?? []).some((tool) => customName(tool) === choice.name)
  return { type: isCustom ? 'custom' : 'function', name: choice.name }
}

/** Here a function is strict unless it says otherwise, which changes its schema: it always says. */
function writeFunction(tool: NeutralTool): JsonObject {
  return withoutUndefined({
    ...(tool.more?.wire === RESPONSES_WIRE ? tool.more.value : {}),
    type: 'function',
    name: tool.name,
    description: tool.description,
    parameters: tool.parameters ?? { type: 'object', properties: {} },
    strict: tool.strict ?? false,
  })
}

function customName(tool: HostedTool): string | null {
  if (tool.type !== 'custom') return null
  return stringOf(tool.value['name']) ?? stringOf(objectOf(tool.value['custom'])['name'])
}

/** A tool of this wire as it is, one that it has too in its own words; null for any other. */
export function writeHostedTool(tool: HostedTool): JsonObject | null {
  if (tool.wire === RESPONSES_WIRE) return tool.value
  if (tool.wire === 'openai-chat' && tool.type === 'custom') return writeCustom(objectOf(tool.value['custom']))
  return tool.kind === 'web-search' ? writeSearch(tool.value) : null
}

/** A grammar lies one level deeper on the chat wire. */
function writeCustom(custom: JsonObject): JsonObject {
  const format = objectOf(custom['format'])
  const grammar = format['type'] === 'grammar' ? { type: 'grammar', ...objectOf(format['grammar']) } : custom['format']
  return withoutUndefined({ ...custom, type: 'custom', format: grammar })
}

/** What other wires say of a search, as far as this one can say it; null where that would leave something out. */
function writeSearch(value: JsonObject): JsonObject | null {
  const unsayable = [
    'max_uses',
    'blocked_domains',
    'exclude_domains',
    'time_range_filter',
    'timeRangeFilter',
    'excludeDomains',
  ]
  if (unsayable.some((name) => value[name] !== undefined)) return null
  const place = objectOf(value['user_location'])
  const approximate = objectOf(place['approximate'])
  const domains = arrayOf(value['allowed_domains'])
  return withoutUndefined({
    type: 'web_search',
    search_context_size: value['search_context_size'],
    user_location:
      value['user_location'] === undefined
        ? undefined
        : { type: 'approximate', ...place, ...approximate, approximate: undefined },
    filters: domains.length === 0 ? undefined : { allowed_domains: domains },
  })
}
