// Writes replies as the `openai` SDKs read them, whole and streamed. Reasoning goes out as `reasoning_content`;
// signatures and encrypted reasoning as `reasoning_details`, which a client sends back with the message on its next turn.
import type { Json, JsonObject } from '../core/json.ts'
import type { NeutralEvent, NeutralReply, PartStart } from '../core/neutral.ts'
import type { Usage } from '../core/usage.ts'
import { writeChatFinish, writeChatUsage } from '../wire/openai-chat.ts'
import { writeAssistantMessage } from '../wire/openai-chat-assistant.ts'
import type { ReplyContext, StreamWriter } from './protocol.ts'

/** A whole reply as a `chat.completion`. Usage that isn't known is null. */
export function writeChatReply(reply: NeutralReply, context: ReplyContext): Json {
  return {
    id: context.id,
    object: 'chat.completion',
    created: context.createdSeconds,
    model: context.model,
    choices: reply.choices.map((choice, index) => ({
      index,
      message: { refusal: null, ...writeAssistantMessage(choice.parts) },
      logprobs: null,
      finish_reason: writeChatFinish(choice.finish ?? 'stop'),
    })),
    usage: reply.usage === null ? null : writeChatUsage(reply.usage),
  }
}

/** A writer for one stream of `chat.completion.chunk`s. The usage chunk comes only when `wantsUsage`. */
export function createChatWriter(context: ReplyContext): StreamWriter {
  return new ChatWriter(context)
}

interface OpenPart {
  readonly kind: PartStart['kind']
  /** Number among its choice's tool calls; 0 for other kinds. */
  readonly call: number
}

class ChatWriter implements StreamWriter {
  private readonly context: ReplyContext
  /** Tool calls so far of every choice that has got its role. */
  private readonly calls = new Map<number, number>()
  private readonly parts = new Map<string, OpenPart>()

  constructor(context: ReplyContext) {
    this.context = context
  }

  push(event: NeutralEvent): string {
    switch (event.type) {
      case 'reply-start':
      case 'failure':
        return ''
      case 'part-start':
        return this.begin(event.choice) + this.startPart(event.choice, event.part, event.start)
      case 'part-delta':
        return this.delta(event.choice, this.textDelta(event.choice, event.part, event.text))
      case 'part-signature':
        return this.delta(event.choice, signatureDelta(event))
      case 'part-end':
        this.parts.delete(partKey(event.choice, event.part))
        return ''
      case 'part-data':
      case 'part-citation':
      case 'logprobs':
        return ''
      case 'finish':
        return this.begin(event.choice) + this.delta(event.choice, {}, writeChatFinish(event.reason))
      case 'usage':
        return this.context.wantsUsage ? this.usageChunk(event.usage) : ''
    }
  }

  end(): string {
    return 'data: [DONE]\n\n'
  }

  /** The role, before anything else that a choice says. */
  private begin(choice: number): string {
    if (this.calls.has(choice)) return ''
    this.calls.set(choice, 0)
    return this.delta(choice, { role: 'assistant', content: '', refusal: null })
  }

  private startPart(choice: number, part: number, start: PartStart): string {
    const call = this.calls.get(choice) ?? 0
    this.parts.set(partKey(choice, part), { kind: start.kind, call })
    if (start.kind !== 'tool-call') return ''
    this.calls.set(choice, call + 1)
    const { id, name } = start
    return this.delta(choice, {
      tool_calls: [{ index: call, id, type: 'function', function: { name, arguments: '' } }],
    })
  }

  private textDelta(choice: number, part: number, text: string): JsonObject {
    const open = this.parts.get(partKey(choice, part))
    switch (open?.kind) {
      case 'tool-call':
        return { tool_calls: [{ index: open.call, function: { arguments: text } }] }
      case 'reasoning':
        return { reasoning_content: text }
      case 'refusal':
        return { refusal: text }
      default:
        return { content: text }
    }
  }

  private delta(choice: number, delta: JsonObject, finish: string | null = null): string {
    return this.chunk([{ index: choice, delta, logprobs: null, finish_reason: finish }], null)
  }

  private usageChunk(usage: Usage): string {
    return this.chunk([], writeChatUsage(usage))
  }

  private chunk(choices: readonly Json[], usage: JsonObject | null): string {
    const { id, createdSeconds, model } = this.context
    const head = { id, object: 'chat.completion.chunk', created: createdSeconds, model, choices }
    return `data: ${JSON.stringify(this.context.wantsUsage ? { ...head, usage } : head)}\n\n`
  }
}

function signatureDelta(event: Extract<NeutralEvent, { type: 'part-signature' }>): JsonObject {
  const detail = event.redacted
    ? { type: 'reasoning.encrypted', data: event.signature.value, index: event.part }
    : { type: 'reasoning.text', signature: event.signature.value, index: event.part }
  return { reasoning_details: [detail] }
}

function partKey(choice: number, part: number): string {
  return `${choice}.${part}`
}
