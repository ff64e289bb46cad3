// Tools in the Anthropic form: the client's own functions, and those that the provider runs. A web search is the one that
// several providers have; its settings are carried where both know them.
// https://platform.claude.com/docs/en/agents-and-tools/tool-use/web-search-tool
import type { JsonObject } from '../../core/json.ts'
import type { HostedTool, NeutralRequest, NeutralTool } from '../../core/neutral.ts'
import { writeCacheMark } from '../../wire/anthropic-messages-write-block.ts'
import { isJsonArray, objectOf } from '../../wire/read.ts'
import { withoutUndefined } from '../../wire/write.ts'

/** All tools of a request; undefined for none. */
export function writeTools(request: NeutralRequest): readonly JsonObject[] | undefined {
  const hosted = (request.hostedTools ?? []).map((tool) => writeHostedTool(tool)).filter((tool) => tool !== null)
  const tools = [...hosted, ...request.tools.map((tool) => writeTool(tool))]
  return tools.length === 0 ? undefined : tools
}

/** A tool that the provider runs; null for one that this wire has not. */
export function writeHostedTool(tool: HostedTool): JsonObject | null {
  if (tool.wire === 'anthropic-messages') return tool.value
  return tool.kind === 'web-search' ? writeWebSearch(tool.value) : null
}

/** The choice among tools; undefined leaves it to the model. While it thinks, a model can't be made to call. */
export function writeToolChoice(request: NeutralRequest, isThinking: boolean): JsonObject | undefined {
  if (writeTools(request) === undefined) return undefined
  const { toolChoice: choice, parallelToolCalls } = request
  const isSingle = parallelToolCalls === false
  if (choice === undefined) return isSingle ? { type: 'auto', disable_parallel_tool_use: true } : undefined
  if (choice.kind === 'none') return { type: 'none' }
  const parallel = parallelToolCalls === undefined ? {} : { disable_parallel_tool_use: isSingle }
  if (choice.kind === 'auto' || isThinking) return { type: 'auto', ...parallel }
  return choice.kind === 'required' ? { type: 'any', ...parallel } : { type: 'tool', name: choice.name, ...parallel }
}

function writeTool(tool: NeutralTool): JsonObject {
  return withoutUndefined({
    ...(tool.more?.wire === 'anthropic-messages' ? tool.more.value : {}),
    name: tool.name,
    description: tool.description,
    input_schema: { type: 'object', ...tool.parameters },
    strict: tool.strict === true ? true : undefined,
    cache_control: tool.cacheMark === undefined ? undefined : writeCacheMark(tool.cacheMark),
  })
}

/** The version that every model has that searches at all. */
const WEB_SEARCH = { type: 'web_search_20250305', name: 'web_search' }

/** Settings that say how much is searched, or how it is told: hints that are left out. */
const SEARCH_HINTS = new Set(['type', 'name', 'search_context_size', 'external_web_access', 'return_token_budget'])

/** A search in the words of another wire; null where it asks for something that has no word here. */
function writeWebSearch(value: JsonObject): JsonObject | null {
  let search: JsonObject = WEB_SEARCH
  for (const [name, setting] of Object.entries(value)) {
    if (setting === undefined || setting === null || SEARCH_HINTS.has(name)) continue
    const { allowed_domains, blocked_domains, ...others } = objectOf(setting)
    const location = objectOf(setting)['approximate'] ?? setting
    if (name === 'user_location') search = { ...search, user_location: { type: 'approximate', ...objectOf(location) } }
    else if (name === 'filters' && Object.values(others).every((value) => (value ?? null) === null)) {
      search = { ...search, ...withoutUndefined({ allowed_domains, blocked_domains }) }
    } else if (name === 'allowed_domains' && isJsonArray(setting)) search = { ...search, allowed_domains: setting }
    else if (name === 'exclude_domains' || name === 'blocked_domains') search = { ...search, blocked_domains: setting }
    else if (name === 'max_uses') search = { ...search, max_uses: setting }
    else return null
  }
  return search
}
