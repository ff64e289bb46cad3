// Writes replies as older completions: nothing but text, with probabilities in their older form. A refusal is text here;
// reasoning, calls and pictures have no place.
import type { Json, JsonObject } from '../../core/json.ts'
import type { FinishReason, NeutralChoice, NeutralEvent, NeutralReply } from '../../core/neutral.ts'
import { writeChatFinish, writeChatUsage } from '../../wire/openai-chat.ts'
import { tokenOf, writeOlderLogprobs } from '../../wire/openai-chat-logprobs.ts'
import { escapedText } from '../../wire/write.ts'
import type { ReplyContext, StreamWriter } from '../protocol.ts'

/** A whole reply as a `text_completion`. */
export function writeCompletions(reply: NeutralReply, context: ReplyContext): Json {
  return {
    ...headOf(context),
    choices: reply.choices.map((choice, index) => ({
      text: textOf(choice),
      index,
      logprobs: choice.logprobs === undefined ? null : writeOlderLogprobs(choice.logprobs, 0),
      finish_reason: finishOf(choice.finish ?? 'stop', choice.parts.some(isRefusal)),
    })),
    ...(reply.usage === null ? {} : { usage: writeChatUsage(reply.usage) }),
  }
}

function headOf({ id, createdSeconds, model }: ReplyContext): JsonObject {
  return { id, object: 'text_completion', created: createdSeconds, model }
}

function textOf({ parts }: NeutralChoice): string {
  return parts.map((part) => (part.kind === 'text' || part.kind === 'refusal' ? part.text : '')).join('')
}

function isRefusal({ kind }: { readonly kind: string }): boolean {
  return kind === 'refusal'
}

/** There are no calls here to stop for; a refusal is told by how it ends. */
function finishOf(reason: FinishReason, isRefused: boolean): string {
  const shown = reason === 'tool-calls' ? 'stop' : reason
  return writeChatFinish(isRefused && shown === 'stop' ? 'filtered' : shown)
}

/** A writer for one stream of `text_completion`s. The usage chunk comes only when `wantsUsage`. */
export function createCompletionsWriter(context: ReplyContext): StreamWriter {
  return new CompletionsWriter(context)
}

class CompletionsWriter implements StreamWriter {
  private readonly context: ReplyContext
  /** Parts that are shown. */
  private readonly shown = new Set<string>()
  private readonly refusing = new Set<number>()
  /** Characters of the tokens whose probabilities were told, by choice. */
  private readonly offsets = new Map<number, number>()
  /** What stands around the text of the part that spoke last: nearly all of a stream is more of the same. */
  private readonly said = { choice: -1, part: -1, tail: '' }
  private readonly head: string

  constructor(context: ReplyContext) {
    this.context = context
    this.head = `data: ${JSON.stringify(headOf(context)).slice(0, -1)},"choices":[{"text":"`
  }

  push(event: NeutralEvent): string {
    switch (event.type) {
      case 'part-start':
        if (isRefusal(event.start)) this.refusing.add(event.choice)
        if (event.start.kind === 'text' || isRefusal(event.start)) this.shown.add(`${event.choice}.${event.part}`)
        return ''
      case 'part-delta':
        return this.text(event.choice, event.part, event.text)
      case 'logprobs': {
        const offset = this.offsets.get(event.choice) ?? 0
        const chars = event.tokens.reduce((sum, token) => sum + tokenOf(token).length, 0)
        this.offsets.set(event.choice, offset + chars)
        return this.choice(event.choice, '', writeOlderLogprobs(event.tokens, offset), null)
      }
      case 'finish':
        return this.choice(event.choice, '', null, finishOf(event.reason, this.refusing.has(event.choice)))
      case 'usage':
        return this.context.wantsUsage ? this.chunk([], { usage: writeChatUsage(event.usage) }) : ''
      default:
        return ''
    }
  }

  end(): string {
    return 'data: [DONE]\n\n'
  }

  private text(choice: number, part: number, text: string): string {
    const { said } = this
    if (said.part !== part || said.choice !== choice) {
      if (!this.shown.has(`${choice}.${part}`)) return ''
      said.choice = choice
      said.part = part
      said.tail = `","index":${choice},"logprobs":null,"finish_reason":null}]}\n\n`
    }
    return this.head + escapedText(text) + said.tail
  }

  private choice(index: number, text: string, logprobs: Json, finish: string | null): string {
    return this.chunk([{ text, index, logprobs, finish_reason: finish }], {})
  }

  private chunk(choices: readonly Json[], usage: JsonObject): string {
    return `data: ${JSON.stringify({ ...headOf(this.context), choices, ...usage })}\n\n`
  }
}
