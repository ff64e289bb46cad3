// A request that asks another model to go on with a reply which broke off: whether that can be asked, how, and in which words.
import type { Target, Wire } from '../directory.ts'
import type { NeutralMessage, NeutralPart, NeutralRequest } from '../neutral.ts'
import { hasQuirk } from '../quirk.ts'

/** How a model is brought to go on: by the beginning of its own turn, or by being told to. */
export type ContinuationMethod = 'prefix' | 'instruction'

/** What is asked of a model that doesn't go on by itself. */
export const CONTINUE_INSTRUCTION =
  'Your last message was cut off by a technical fault. Go on with it from exactly where it stops: begin with the very next ' +
  'character, which may be in the middle of a word, in the same language and format. Do not repeat any of it, do not begin ' +
  'anew, and say nothing about the interruption.'

/** Why a reply to this request can't be gone on with, whoever makes it; null when it can. */
export function whyNotContinued(request: NeutralRequest): string | null {
  const { n = 1, logprobs, responseFormat, extra } = request
  if (n > 1) return 'several replies'
  if (logprobs !== undefined) return 'probabilities of tokens'
  if (responseFormat !== undefined && responseFormat.kind !== 'text') return 'a reply in JSON'
  if (extra['audio'] !== undefined || asksForMore(extra['modalities'])) return 'a reply in sound'
  if (extra['suffix'] !== undefined || extra['echo'] !== undefined || extra['best_of'] !== undefined)
    return 'a fragment'
  return request.messages.length === 0 ? 'a prompt that is no text' : null
}

function asksForMore(modalities: unknown): boolean {
  return Array.isArray(modalities) && modalities.some((modality) => modality !== 'text')
}

/** Whether the target's reply has the prefix in front. */
export function echoesPrefix(target: Target, wire: Wire): boolean {
  return wire === 'openai-chat' && hasQuirk(target, 'prefix-member')
}

/** How this target, which speaks this wire, goes on with a reply to this request. */
export function continuationMethod(request: NeutralRequest, target: Target, wire: Wire): ContinuationMethod {
  const { capabilities } = target
  switch (wire) {
    case 'anthropic-messages':
    case 'bedrock-converse':
      // Whoever thinks can't be given the beginning of an answer (https://platform.claude.com/docs/en/build-with-claude/extended-thinking).
      return capabilities?.prefix === true && !asksForThinking(request) ? 'prefix' : 'instruction'
    case 'openai-chat':
      return hasQuirk(target, 'prefix-member') || hasQuirk(target, 'continue-final-message') ? 'prefix' : 'instruction'
    case 'openai-completions':
    case 'tgi':
      return 'prefix'
    default:
      return 'instruction'
  }
}

function asksForThinking({ reasoning, extra }: NeutralRequest): boolean {
  if (extra['thinking'] !== undefined) return true
  return reasoning !== undefined && reasoning.mode !== 'off' && reasoning.effort !== 'none'
}

/** The request to go on from `text`, with what is left of the output bound. Without text it is the request as it was. */
export function continuedRequest(
  request: NeutralRequest,
  text: string,
  method: ContinuationMethod,
  wire: Wire,
  maxOutputTokens: number | null,
): NeutralRequest {
  const bound = maxOutputTokens === null ? {} : { maxOutputTokens }
  const { messages } = request
  const shown = shownText(text, method, wire)
  if (shown === '') return { ...request, ...bound }
  if (wire === 'openai-completions') return { ...request, ...bound, messages: withText(messages, shown) }
  const begun =
    messages.at(-1)?.role === 'assistant' ? withText(messages, shown) : [...messages, turn('assistant', shown)]
  const all = method === 'prefix' ? begun : [...begun, turn('user', CONTINUE_INSTRUCTION)]
  return { ...request, ...bound, messages: all }
}

/** As much of the text as the model is shown. A text of nothing but blanks is none; Anthropic's models take no prefix that ends
 *  with one. */
export function shownText(text: string, method: ContinuationMethod, wire: Wire): string {
  if (text.trim() === '') return ''
  const isTrimmed = method === 'prefix' && (wire === 'anthropic-messages' || wire === 'bedrock-converse')
  return isTrimmed ? text.trimEnd() : text
}

function turn(role: NeutralMessage['role'], text: string): NeutralMessage {
  return { role, parts: [{ kind: 'text', text }] }
}

/** The messages with `text` at the end of the last. */
function withText(messages: readonly NeutralMessage[], text: string): readonly NeutralMessage[] {
  const last = messages.at(-1)
  if (last === undefined) return messages
  const end = last.parts.at(-1)
  const parts: readonly NeutralPart[] =
    end?.kind === 'text'
      ? [...last.parts.slice(0, -1), { ...end, text: end.text + text }]
      : [...last.parts, { kind: 'text', text }]
  return [...messages.slice(0, -1), { ...last, parts }]
}
