// Tools and the choice among them in Gemini's form: functions of the client's, and what Google runs itself.
// https://ai.google.dev/api/caching#Tool and https://ai.google.dev/gemini-api/docs/function-calling (read 2026-11-21)
import type { Target } from '../../core/directory.ts'
import type { JsonObject } from '../../core/json.ts'
import type { HostedTool, NeutralRequest, NeutralTool } from '../../core/neutral.ts'
import { isVertex } from '../../wire/gemini.ts'
import type { GeminiFamily } from '../../wire/gemini.ts'
import { arrayOf, objectOf } from '../../wire/read.ts'
import { withoutUndefined } from '../../wire/write.ts'
import { geminiSchema } from './schema.ts'

/** True where the model takes functions, hosted tools and a JSON format together: from version 3 on. Names that don't tell
 *  are believed to. */
export function canCombine({ version }: GeminiFamily): boolean {
  return version === null || version >= 3
}

/** True where calls can be held to the schemas of their functions. */
export function canValidate({ version }: GeminiFamily): boolean {
  return version === null || version >= 2.5
}

/** Why a hosted tool can't be carried; null where it can. */
export function hostedToolObjection(tool: HostedTool): string | null {
  if (tool.wire === 'gemini') return null
  if (tool.kind !== 'web-search') return `this model has no tool '${tool.type}'`
  const bounds = { ...tool.value, ...objectOf(tool.value['filters']) }
  const isBounded = ['allowed_domains', 'blocked_domains', 'exclude_domains'].some(
    (name) => arrayOf(bounds[name]).length > 0,
  )
  const isPlaced = (bounds['user_location'] ?? bounds['max_uses'] ?? null) !== null
  return isBounded || isPlaced ? 'this model searches the whole web, from anywhere, as often as it likes' : null
}

/** The hosted tools that go out beside the functions. */
function hostedTools(request: NeutralRequest, family: GeminiFamily): readonly HostedTool[] {
  if (request.tools.length > 0 && !canCombine(family)) return []
  return (request.hostedTools ?? []).filter((tool) => tool.wire === 'gemini' || tool.kind === 'web-search')
}

/** The `tools`; undefined for none. */
export function writeTools(request: NeutralRequest, family: GeminiFamily): readonly JsonObject[] | undefined {
  const functions =
    request.tools.length === 0 ? [] : [{ functionDeclarations: request.tools.map((tool) => writeFunction(tool)) }]
  const tools = [...functions, ...hostedTools(request, family).map((tool) => writeHosted(tool))]
  return tools.length === 0 ? undefined : tools
}

function writeFunction({ name, description = '', parameters }: NeutralTool): JsonObject {
  return withoutUndefined({
    name,
    description,
    parametersJsonSchema: parameters === null ? undefined : geminiSchema({ type: 'object', ...parameters }),
  })
}

function writeHosted(tool: HostedTool): JsonObject {
  if (tool.wire !== 'gemini') return { googleSearch: {} }
  return Object.hasOwn(tool.value, tool.type) ? tool.value : { [tool.type]: tool.value }
}

/** The `toolConfig`; undefined where nothing needs to be said. */
export function writeToolConfig(request: NeutralRequest, family: GeminiFamily, target: Target): JsonObject | undefined {
  const functionCallingConfig = writeCalling(request, family)
  // AI Studio wants to be asked for it, Vertex refuses to be (https://github.com/vercel/ai/issues/13911).
  const isMixed = request.tools.length > 0 && hostedTools(request, family).length > 0 && !isVertex(target)
  const includeServerSideToolInvocations = isMixed && (family.version ?? 0) >= 3 ? true : undefined
  const config = withoutUndefined({ functionCallingConfig, includeServerSideToolInvocations })
  return Object.keys(config).length === 0 ? undefined : config
}

/** `ANY` and `VALIDATED` hold calls to their schemas, `AUTO` doesn't. */
function writeCalling({ tools, toolChoice }: NeutralRequest, family: GeminiFamily): JsonObject | undefined {
  if (tools.length === 0) return undefined
  const isStrict = canValidate(family) && tools.some((tool) => tool.strict === true)
  switch (toolChoice?.kind) {
    case undefined:
      return isStrict ? { mode: 'VALIDATED' } : undefined
    case 'auto':
      return { mode: isStrict ? 'VALIDATED' : 'AUTO' }
    case 'none':
      return { mode: 'NONE' }
    case 'required':
      return { mode: 'ANY' }
    case 'tool':
      return { mode: 'ANY', allowedFunctionNames: [toolChoice.name] }
  }
}
