// Writes one block of a message's stream after another. A block begins with its first content, so that a part which says
// nothing is no block; signatures are told once, when they are whole, because SDKs keep only the last one.
import { isJsonObject, parseJson } from '../../core/json.ts'
import type { JsonObject } from '../../core/json.ts'
import type { NeutralEvent, PartStart, Signature } from '../../core/neutral.ts'
import { sealSignature } from '../../core/reply/signature.ts'
import { MESSAGES_MAKER } from '../../wire/anthropic-messages-read-block.ts'
import { CLIENT, callSignatureBlock, writeCitation, writePart } from '../../wire/anthropic-messages-write-block.ts'
import { escapedText } from '../../wire/write.ts'

type PartEvent = Extract<NeutralEvent, { readonly part: number }>

/** One message of the stream. Its event has the name of its type. */
export function streamEvent(value: JsonObject): string {
  return `event: ${String(value['type'])}\ndata: ${JSON.stringify(value)}\n\n`
}

export class BlockWriter {
  /** Number of the next block. */
  private index: number
  private start: PartStart | null = null
  /** What stands before a delta's text while a block is open. */
  private deltaHead: string | null = null
  /** Text so far, where it is needed again. */
  private text = ''
  private signature: Signature | null = null
  private isRedacted = false

  /** Blocks from number `index` on; `isOpen`: somebody has begun it already, as text. */
  constructor(index = 0, isOpen = false) {
    this.index = index
    if (!isOpen) return
    this.start = { kind: 'text' }
    this.deltaHead = this.headOf('text_delta', 'text')
  }

  /** Id of the call that is open, if its arguments are all there; null for any other part. */
  get wholeCall(): string | null {
    if (this.start?.kind !== 'tool-call' || this.start.isCustom === true) return null
    return isJsonObject(parseJson(this.text)) ? this.start.id : null
  }

  /** The signature of a call whose block has ended. */
  sign(callId: string, signature: Signature): string {
    return this.whole(callSignatureBlock(callId, signature))
  }

  /** Begins with a part. */
  begin(start: PartStart): string {
    this.start = start
    this.text = ''
    this.signature = null
    this.isRedacted = false
    return (start.kind === 'text' ? '' : this.close()) + this.beginBlock(start)
  }

  private beginBlock(start: PartStart): string {
    switch (start.kind) {
      case 'tool-call': {
        const { id, name, signature } = start
        const carrier = signature === undefined ? '' : this.whole(callSignatureBlock(id, signature))
        return carrier + this.open({ type: 'tool_use', id, name, input: {} }, 'input_json_delta', 'partial_json')
      }
      case 'image':
        return writePart(start, CLIENT)
          .map((block) => this.whole(block))
          .join('')
      case 'other':
        return writePart(start, CLIENT)
          .map((block) => this.whole(block))
          .join('')
      default:
        return ''
    }
  }

  /** More of the part. */
  add(event: PartEvent): string {
    if (event.type === 'part-delta') return this.delta(event.text)
    if (event.type === 'part-signature') {
      this.signature = { ...event.signature, value: (this.signature?.value ?? '') + event.signature.value }
      this.isRedacted = event.redacted
      return ''
    }
    if (event.type !== 'part-citation' || this.start?.kind !== 'text') return ''
    const citation = writeCitation(event.citation, 'client', this.text)
    if (citation === null) return ''
    const delta = { type: 'citations_delta', citation }
    return this.openText() + streamEvent({ type: 'content_block_delta', index: this.index, delta })
  }

  /** Ends the part; nothing where none has begun. */
  end(): string {
    const { start, signature } = this
    this.start = null
    if (start?.kind === 'tool-call') {
      const custom = start.isCustom === true ? this.raw(JSON.stringify({ input: this.text })) : ''
      return custom + this.close() + (signature === null ? '' : this.whole(callSignatureBlock(start.id, signature)))
    }
    if (start?.kind !== 'reasoning' || signature === null) return this.close()
    const sealed = sealSignature(signature, MESSAGES_MAKER)
    if (this.isRedacted) return this.close() + this.whole({ type: 'redacted_thinking', data: sealed })
    const delta = { type: 'signature_delta', signature: sealed }
    const opened = this.openThinking()
    return opened + streamEvent({ type: 'content_block_delta', index: this.index, delta }) + this.close()
  }

  private delta(text: string): string {
    switch (this.start?.kind) {
      case 'text':
        this.text += text
        return this.openText() + this.raw(text)
      case 'refusal':
        return this.openText() + this.raw(text)
      case 'reasoning':
        return this.openThinking() + this.raw(text)
      case 'tool-call':
        this.text += text
        return this.start.isCustom === true ? '' : this.raw(text)
      default:
        return ''
    }
  }

  private openText(): string {
    return this.deltaHead === null ? this.open({ type: 'text', text: '' }, 'text_delta', 'text') : ''
  }

  private openThinking(): string {
    if (this.deltaHead !== null) return ''
    return this.open({ type: 'thinking', thinking: '', signature: '' }, 'thinking_delta', 'thinking')
  }

  private open(block: JsonObject, deltaType: string, member: string): string {
    this.deltaHead = this.headOf(deltaType, member)
    return streamEvent({ type: 'content_block_start', index: this.index, content_block: block })
  }

  private headOf(deltaType: string, member: string): string {
    const head = `{"type":"content_block_delta","index":${this.index},"delta":{"type":"${deltaType}","${member}":"`
    return `event: content_block_delta\ndata: ${head}`
  }

  private raw(text: string): string {
    return this.deltaHead === null ? '' : `${this.deltaHead}${escapedText(text)}"}}\n\n`
  }

  private close(): string {
    if (this.deltaHead === null) return ''
    this.deltaHead = null
    const index = this.index
    this.index += 1
    return streamEvent({ type: 'content_block_stop', index })
  }

  /** A block that has no deltas. */
  private whole(block: JsonObject): string {
    const index = this.index
    this.index += 1
    return (
      streamEvent({ type: 'content_block_start', index, content_block: block }) +
      streamEvent({ type: 'content_block_stop', index })
    )
  }
}
