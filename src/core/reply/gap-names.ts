// What a client calls the parts of a conversation that can't be carried. Dialects name them by kind, since they are the same
// to them whoever asks; a complaint, and a route that allows it, go by the words of the client's own protocol.
import type { Wire } from '../directory.ts'
import type { Gap } from '../failure.ts'
import type { NeutralRequest } from '../neutral.ts'

type Names = readonly (readonly [name: string, own: string])[]

/** Names that dialects use, and the client's for each, the longest first. */
const NAMES: Readonly<Partial<Record<Wire, Names>>> = {
  'openai-chat': [
    ['messages.content.image', 'messages.content.image_url'],
    ['messages.content.audio', 'messages.content.input_audio'],
    ['messages.content.video', 'messages.content.video_url'],
    ['messages.content.document', 'messages.content.file'],
  ],
  'anthropic-messages': [
    ['messages.content.image_url', 'messages.content.image'],
    ['messages.content.file', 'messages.content.document'],
    ['messages.tool_calls.function.arguments', 'messages.content.tool_use.input'],
    ['messages.tool_calls', 'messages.content.tool_use'],
    ['messages.tool_call_id', 'messages.content.tool_result'],
    ['tools.function', 'tools'],
  ],
  'openai-responses': [
    ['messages.content.image_url', 'input.content.input_image'],
    ['messages.content.image', 'input.content.input_image'],
    ['messages.content.audio', 'input.content.input_audio'],
    ['messages.content.document', 'input.content.input_file'],
    ['messages.content.file', 'input.content.input_file'],
    ['messages.tool_calls.function', 'input.function_call'],
    ['messages.tool_calls', 'input.function_call'],
    ['messages.tool_call_id', 'input.function_call_output'],
    // Items that only this wire knows; of parts of a message the type says so itself.
    ['messages.content', 'input'],
    ['messages', 'input'],
    ['tools.function', 'tools'],
  ],
}

/** What is said of a tool that changes nothing of what it is: that it is the client's, examples, when it is loaded or told. */
const TOOL_HINTS: ReadonlySet<string> = new Set([
  'type',
  'input_examples',
  'defer_loading',
  'eager_input_streaming',
  'cache_control',
])

/** A gap for each member of a tool that only the client's own wire knows, for a provider of another. */
export function toolMemberGaps(request: NeutralRequest, wire: Wire): readonly Gap[] {
  const reason = 'this model has no such setting of a tool'
  return request.tools.flatMap(({ more }) => {
    if (more === undefined || more.wire === wire) return []
    const names = Object.keys(more.value).filter((name) => (more.value[name] ?? null) !== null && !TOOL_HINTS.has(name))
    return names.map((name): Gap => ({ field: `tools.${name}`, reason }))
  })
}

/** A gap for each member that nobody knows, for a provider of another wire than the one that carries it all the same. */
export function strayGaps({ strays }: NeutralRequest, wire: Wire): readonly Gap[] {
  if (strays === undefined) return NONE
  const reason = 'no model is told a member of that name'
  return strays.flatMap(({ field, path, carrier }) => (carrier === wire ? [] : [{ field, path, reason }]))
}

const NONE: readonly Gap[] = []

/** `gaps` under the names that the client of `request` knows, each once. */
export function inClientsWords(request: NeutralRequest, gaps: readonly Gap[]): readonly Gap[] {
  const names = request.wire === undefined ? undefined : NAMES[request.wire]
  if (names === undefined || gaps.length === 0) return gaps
  const named = new Map<string, Gap>()
  for (const gap of gaps) {
    const field = ownName(names, gap.field)
    if (!named.has(field)) named.set(field, { ...gap, field })
  }
  return [...named.values()]
}

function ownName(names: Names, field: string): string {
  const found = names.find(([name]) => field === name || field.startsWith(`${name}.`))
  return found === undefined ? field : found[1] + field.slice(found[0].length)
}
