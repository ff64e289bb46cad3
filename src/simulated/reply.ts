// What a simulated model answers to a request: its parts, their tokens, and the usage it reports. The same whether it is
// then streamed or sent whole, so that both count the same tokens. Pure.
import type { Behaviour } from './behaviour.ts'
import { drawFrom, drawLetters, hashText } from './chance.ts'
import { countTokens, endlessAnswer, gistOf, shortAnswer, tokensOf } from './prose.ts'
import type { Ask, OfferedTool, Reply, ReplyChoice, ReplyPart, ReportedUsage } from './provider.ts'
import { sampleJson } from './sample-json.ts'

const TOKENS_PER_MESSAGE = 4
const TOKENS_PER_IMAGE = 85
/** What a model that thinks unseen spends on it. */
const HIDDEN_REASONING_TOKENS = 24
/** A longer text is not gone on with: it would have to be made first. */
const CONTINUED_TOKENS_MAX = 100_000

/** Tokens that the prompt counts as. */
export function promptTokensOf(ask: Ask): number {
  return (
    countTokens(ask.promptText) +
    countTokens(ask.continues) +
    TOKENS_PER_MESSAGE * ask.messages +
    TOKENS_PER_IMAGE * ask.images
  )
}

/** The reply, never longer than the request allows. Everything but `identity` follows from the prompt. */
export function composeReply(
  ask: Ask,
  behaviour: Behaviour,
  identity: { readonly id: string; readonly createdSeconds: number },
): Reply {
  const choices = behaviour.isEmpty
    ? []
    : Array.from({ length: ask.choices }, (_, n) => composeChoice(ask, behaviour, n))
  const inputTokens = promptTokensOf(ask)
  const hidden = ask.reasoning === 'hidden' ? HIDDEN_REASONING_TOKENS * choices.length : 0
  const outputTokens = hidden + choices.reduce((sum, choice) => sum + tokensIn(choice.parts), 0)
  const shown = choices.flatMap((choice) => choice.parts.filter((part) => part.kind === 'thinking'))
  const counted = { input: inputTokens, output: outputTokens, reasoning: hidden + tokensIn(shown) }
  return { ...identity, choices, usage: reported(counted, behaviour.usage), inputTokens, outputTokens }
}

function composeChoice(ask: Ask, behaviour: Behaviour, number: number): ReplyChoice {
  const seed = hashText(ask.promptText) + number
  const answer = ask.calls.length > 0 ? callParts(ask, seed) : answerParts(ask, behaviour, seed)
  const rest = ask.continues === '' ? answer : continued(answer, ask.continues)
  const wanted = ask.reasoning === 'shown' ? [thinkingPart(ask), ...rest] : rest
  const parts = withinBound(wanted, ask.maxTokens ?? Number.POSITIVE_INFINITY)
  if (behaviour.isTruncated) return { parts, finish: null }
  if (tokensIn(parts) < tokensIn(wanted)) return { parts, finish: 'length' }
  return { parts, finish: ask.calls.length > 0 ? 'tool-calls' : 'stop' }
}

/** What is left of a reply that begins with `begun`; all of it where it doesn't. */
function continued(parts: readonly ReplyPart[], begun: string): readonly ReplyPart[] {
  const [first, ...others] = parts
  if (first?.kind !== 'text' || first.tokens > CONTINUED_TOKENS_MAX) return parts
  let text = ''
  const pieces = first.pieces()[Symbol.iterator]()
  for (let next = pieces.next(); text.length < begun.length && next.done !== true; next = pieces.next())
    text += next.value
  const isBegun = text.startsWith(begun)
  const rest = textPart('text', [...first.pieces()].join('').slice(begun.length))
  return isBegun ? [...(rest.tokens === 0 ? [] : [rest]), ...others] : parts
}

function answerParts(ask: Ask, behaviour: Behaviour, seed: number): readonly ReplyPart[] {
  if (ask.schema !== null) return [textPart('text', JSON.stringify(sampleJson(ask.schema, wordOf(ask))))]
  const { tokens, isSplit } = behaviour
  if (tokens === null) return [textPart('text', shortAnswer(seed, ask.lastUserText, isSplit))]
  const pieces = () => first(tokensOf(endlessAnswer(seed, ask.lastUserText, isSplit)), tokens)
  return [{ kind: 'text', tokens, pieces }]
}

function callParts(ask: Ask, seed: number): readonly ReplyPart[] {
  const draw = drawFrom(seed)
  const calls = ask.calls.map((tool) => callPart(tool, drawLetters(draw, 24), wordOf(ask)))
  return ask.hasPreamble
    ? [textPart('text', `Let me ask ${ask.calls[0]?.name ?? 'a tool'} about that.`), ...calls]
    : calls
}

function callPart(tool: OfferedTool, id: string, word: string): ReplyPart {
  const pieces = [...tokensOf([JSON.stringify(sampleJson(tool.parameters, word))])]
  const nameTokens = countTokens(tool.name)
  return {
    kind: 'tool-call',
    id,
    name: tool.name,
    nameTokens,
    tokens: nameTokens + pieces.length,
    pieces: () => pieces,
  }
}

function thinkingPart(ask: Ask): ReplyPart {
  return textPart('thinking', `The question is about "${gistOf(ask.lastUserText)}". A short answer will do.`)
}

function textPart(kind: 'text' | 'thinking', text: string): ReplyPart {
  const pieces = [...tokensOf([text])]
  return { kind, tokens: pieces.length, pieces: () => pieces }
}

/** Text for arguments and fields: from the question, so that different questions make different calls. */
function wordOf(ask: Ask): string {
  return gistOf(ask.lastUserText) || 'tide'
}

/** As much of the parts as the bound leaves room for. The part at the bound is cut, as real models cut JSON too. */
function withinBound(parts: readonly ReplyPart[], room: number): readonly ReplyPart[] {
  const kept: ReplyPart[] = []
  let left = room
  for (const part of parts) {
    const overhead = part.kind === 'tool-call' ? part.nameTokens : 0
    if (left <= overhead) break
    const tokens = Math.min(part.tokens, left)
    kept.push(
      tokens === part.tokens ? part : { ...part, tokens, pieces: () => first(part.pieces(), tokens - overhead) },
    )
    left -= tokens
  }
  return kept
}

function* first(pieces: Iterable<string>, count: number): Generator<string> {
  if (count <= 0) return
  let taken = 0
  for (const piece of pieces) {
    yield piece
    if (++taken >= count) return
  }
}

function tokensIn(parts: readonly ReplyPart[]): number {
  return parts.reduce((sum, part) => sum + part.tokens, 0)
}

function reported(usage: ReportedUsage, how: Behaviour['usage']): ReportedUsage | null {
  if (how === 'none') return null
  const factor = how === 'tenfold' ? 10 : 1
  return { input: usage.input * factor, output: usage.output * factor, reasoning: usage.reasoning * factor }
}
