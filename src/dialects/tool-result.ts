// A tool's result on wires that have no word for a tool that failed: then the result says it itself.
import type { NeutralPart } from '../core/neutral.ts'

type ToolResult = Extract<NeutralPart, { readonly kind: 'tool-result' }>

/** The result's content, with `Error:` in front where the tool failed and the text doesn't begin with that word anyway. */
export function saidResult(part: ToolResult): readonly NeutralPart[] {
  if (!part.isError) return part.content
  const [first, ...rest] = part.content
  if (first?.kind !== 'text') return [{ kind: 'text', text: 'Error:' }, ...part.content]
  return /^\s*error/i.test(first.text) ? part.content : [{ ...first, text: `Error: ${first.text}` }, ...rest]
}
