// Writes a whole reply as a message. What has no place on this wire: further choices and logprobs are left out, as are
// sounds, the signatures of texts and what another wire's provider ran itself (a client of this wire can ask for none of
// them); a refusal is text that ends with the reason `refusal`; pictures are blocks as in requests. Reasoning that nobody
// signed has an empty signature, which the SDKs want to be there, and signatures of other makers are sealed with their
// names: a client sends them back, and no provider gets one that isn't its own.
// https://platform.claude.com/docs/en/api/messages
import type { Json, JsonObject } from '../../core/json.ts'
import type { FinishReason, NeutralReply } from '../../core/neutral.ts'
import type { Usage } from '../../core/money/usage.ts'
import { writeMessagesUsage, writeServiceTier, writeStopReason } from '../../wire/anthropic-messages.ts'
import { CLIENT, writePart } from '../../wire/anthropic-messages-write-block.ts'
import type { ReplyContext, ReplyFeature } from '../protocol.ts'

/** What of a reply is left out, or told as something else. */
export const HIDDEN: ReadonlySet<ReplyFeature> = new Set<ReplyFeature>([
  'choices',
  'logprobs',
  'audio',
  'refusal',
  'other',
])

/** A whole reply as a message: its first choice. Usage that isn't known is zero. */
export function writeMessagesReply(reply: NeutralReply, context: ReplyContext): Json {
  const [choice] = reply.choices
  const parts = choice?.parts ?? []
  const isRefusal = parts.some((part) => part.kind === 'refusal')
  return {
    ...messageHead(context),
    content: parts.flatMap((part) => writePart(part, CLIENT)),
    ...writeStopReason(finishFor(choice?.finish ?? null, isRefusal), choice?.stopSequence ?? null),
    usage: writeUsage(reply.usage, reply.serviceTier),
  }
}

/** What every message begins with. */
export function messageHead({ id, model }: ReplyContext): JsonObject {
  return { id, type: 'message', role: 'assistant', model }
}

/** Usage of a message. */
export function writeUsage(usage: Usage | null, tier: string | undefined): JsonObject {
  return { ...writeMessagesUsage(usage), service_tier: writeServiceTier(tier) }
}

/** The reason for the end, where a refusal counts as one. */
export function finishFor(finish: FinishReason | null, isRefusal: boolean): FinishReason | null {
  return isRefusal && (finish === 'stop' || finish === null) ? 'filtered' : finish
}
