// Writes replies as the `openai` SDKs read them, whole and streamed. Reasoning goes out as `reasoning_content` and, piece by
// piece with what seals it, as `reasoning_details`, which a client sends back with the message on its next turn.
// https://platform.openai.com/docs/api-reference/chat/object
import type { Json, JsonObject } from '../../core/json.ts'
import type {
  NeutralChoice,
  NeutralEvent,
  NeutralPart,
  NeutralReply,
  PartStart,
  Signature,
} from '../../core/neutral.ts'
import type { Usage } from '../../core/money/usage.ts'
import { urlOfMedia } from '../../wire/media-url.ts'
import { writeChatFinish, writeChatUsage, writeServiceTier } from '../../wire/openai-chat.ts'
import { REPLY_FORM, writeAssistantMessage } from '../../wire/openai-chat-assistant.ts'
import { writeAnnotation } from '../../wire/openai-chat-citation.ts'
import { writeLogprobs } from '../../wire/openai-chat-logprobs.ts'
import { sealDetail, textDetail, writeExtraContent } from '../../wire/openai-chat-reasoning.ts'
import { escapedText } from '../../wire/write.ts'
import type { ReplyContext, StreamWriter } from '../protocol.ts'

/** A whole reply as a `chat.completion`. Usage that isn't known is left out. */
export function writeChatReply(reply: NeutralReply, context: ReplyContext): Json {
  const tier = writeServiceTier(reply.serviceTier)
  return {
    id: context.id,
    object: 'chat.completion',
    created: context.createdSeconds,
    model: context.model,
    ...(tier === undefined ? {} : { service_tier: tier }),
    choices: reply.choices.map((choice, index) => ({
      index,
      message: { refusal: null, ...writeMessage(choice, context) },
      logprobs: choice.logprobs === undefined ? null : writeLogprobs(choice.logprobs, isRefusal(choice)),
      finish_reason: writeChatFinish(choice.finish ?? 'stop'),
    })),
    ...(reply.usage === null ? {} : { usage: writeChatUsage(reply.usage) }),
  }
}

function isRefusal({ parts }: NeutralChoice): boolean {
  return parts.some((part) => part.kind === 'refusal') && parts.every((part) => part.kind !== 'text')
}

function writeMessage({ parts }: NeutralChoice, context: ReplyContext): JsonObject {
  const message = writeAssistantMessage(parts, REPLY_FORM)
  const audio = parts.find((part) => part.kind === 'audio')
  return audio === undefined
    ? message
    : { ...message, content: message['content'] || null, audio: writeAudio(audio, context) }
}

/** Sound that the client can't come back for: how long the provider keeps it isn't known. */
function writeAudio(part: NeutralPart & { readonly kind: 'audio' }, context: ReplyContext): JsonObject {
  const { id = '', source, transcript = '' } = part
  const data = source.kind === 'base64' ? source.data : ''
  return { id, data, transcript, expires_at: context.createdSeconds }
}

/** A writer for one stream of `chat.completion.chunk`s. The usage chunk comes only when `wantsUsage`. */
export function createChatWriter(context: ReplyContext): StreamWriter {
  return new ChatWriter(context)
}

interface OpenPart {
  readonly kind: PartStart['kind']
  /** Number among its choice's tool calls; 0 for other kinds. */
  readonly call: number
  readonly isCustom: boolean
}

class ChatWriter implements StreamWriter {
  private readonly context: ReplyContext
  /** Tool calls so far of every choice that has got its role. */
  private readonly calls = new Map<number, number>()
  private readonly parts = new Map<string, OpenPart>()
  /** Choices whose latest words were a refusal. */
  private readonly refusing = new Set<number>()
  private tier: string | undefined = undefined
  /** What stands around the text of the part that spoke last: nearly all of a stream is more of the same. */
  private readonly said = { choice: -1, part: -1, around: [''] }

  constructor(context: ReplyContext) {
    this.context = context
  }

  push(event: NeutralEvent): string {
    switch (event.type) {
      case 'reply-start':
        this.tier = writeServiceTier(event.serviceTier)
        return ''
      case 'failure':
        return ''
      case 'part-start':
        return this.begin(event.choice) + this.startPart(event.choice, event.part, event.start)
      case 'part-delta':
        return this.text(event.choice, event.part, event.text)
      case 'part-data':
        return this.delta(event.choice, { audio: { data: event.data } })
      case 'part-signature':
        return this.delta(event.choice, this.signatureDelta(event.choice, event.part, event.signature, event.redacted))
      case 'part-citation':
        return this.delta(event.choice, { annotations: [writeAnnotation(event.citation)] })
      case 'logprobs': {
        const tokens = writeLogprobs(event.tokens, this.refusing.has(event.choice))
        return this.begin(event.choice) + this.delta(event.choice, {}, null, tokens)
      }
      case 'part-end':
        this.parts.delete(partKey(event.choice, event.part))
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

  private text(choice: number, part: number, text: string): string {
    const { said } = this
    if (said.part !== part || said.choice !== choice) this.remember(choice, part)
    const [head = '', tail = '', last] = said.around
    const escaped = escapedText(text)
    return last === undefined ? head + escaped + tail : head + escaped + tail + escaped + last
  }

  private remember(choice: number, part: number): void {
    const { said } = this
    said.choice = choice
    said.part = part
    // The members around are ours, and none of them is a line feed.
    const around = JSON.stringify(this.textDelta(choice, part, '\n')).split(escapedText('\n'))
    const head = `${this.head()}[{"index":${choice},"delta":`
    const tail = `,"logprobs":null,"finish_reason":null}]${this.context.wantsUsage ? ',"usage":null' : ''}}\n\n`
    said.around = [head + around[0], ...around.slice(1, -1), around.at(-1) + tail]
  }

  private startPart(choice: number, part: number, start: PartStart): string {
    this.said.part = -1
    const call = this.calls.get(choice) ?? 0
    const isCustom = start.kind === 'tool-call' && start.isCustom === true
    this.parts.set(partKey(choice, part), { kind: start.kind, call, isCustom })
    if (start.kind === 'refusal') this.refusing.add(choice)
    else this.refusing.delete(choice)
    switch (start.kind) {
      case 'tool-call':
        this.calls.set(choice, call + 1)
        return this.delta(choice, { tool_calls: [beginCall(start, call)] })
      case 'image': {
        const url = urlOfMedia(start.source)
        return url === null ? '' : this.delta(choice, { images: [{ type: 'image_url', image_url: { url } }] })
      }
      case 'audio':
        return this.delta(choice, { audio: { id: start.id, expires_at: this.context.createdSeconds } })
      default:
        return ''
    }
  }

  private textDelta(choice: number, part: number, text: string): JsonObject {
    const open = this.parts.get(partKey(choice, part))
    switch (open?.kind) {
      case 'tool-call': {
        const more = open.isCustom ? { custom: { input: text } } : { function: { arguments: text } }
        return { tool_calls: [{ index: open.call, ...more }] }
      }
      case 'reasoning':
        return { reasoning_content: text, reasoning_details: [textDetail(text, part)] }
      case 'refusal':
        return { refusal: text }
      case 'audio':
        return { audio: { transcript: text } }
      default:
        return { content: text }
    }
  }

  private signatureDelta(choice: number, part: number, signature: Signature, isRedacted: boolean): JsonObject {
    const open = this.parts.get(partKey(choice, part))
    switch (open?.kind) {
      case 'tool-call':
        return { tool_calls: [{ index: open.call, extra_content: writeExtraContent(signature) }] }
      case 'text':
        return { extra_content: writeExtraContent(signature) }
      default:
        return { reasoning_details: [sealDetail(signature, isRedacted, part)] }
    }
  }

  private delta(choice: number, delta: JsonObject, finish: string | null = null, logprobs: Json = null): string {
    return this.chunk([{ index: choice, delta, logprobs, finish_reason: finish }], null)
  }

  private usageChunk(usage: Usage): string {
    return this.chunk([], writeChatUsage(usage))
  }

  private chunk(choices: readonly Json[], usage: JsonObject | null): string {
    return `${this.head()}${JSON.stringify(choices)}${this.context.wantsUsage ? `,"usage":${JSON.stringify(usage)}` : ''}}\n\n`
  }

  /** A chunk up to its choices. */
  private head(): string {
    const { id, createdSeconds, model } = this.context
    const head = { id, object: 'chat.completion.chunk', created: createdSeconds, model, service_tier: this.tier }
    return `data: ${JSON.stringify(head).slice(0, -1)},"choices":`
  }
}

function beginCall(start: PartStart & { readonly kind: 'tool-call' }, index: number): JsonObject {
  const { id, name, isCustom, signature } = start
  const callee =
    isCustom === true
      ? { type: 'custom', custom: { name, input: '' } }
      : { type: 'function', function: { name, arguments: '' } }
  const signed = signature === undefined ? {} : { extra_content: writeExtraContent(signature) }
  return { index, id, ...callee, ...signed }
}

function partKey(choice: number, part: number): string {
  return `${choice}.${part}`
}
