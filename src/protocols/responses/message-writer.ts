// The message that a streamed response is saying: its content parts, added, said and done. Apart from the items around it,
// because it stays open as long as nothing else begins.
import type { JsonObject } from '../../core/json.ts'
import type { Citation, TokenLogprob } from '../../core/neutral.ts'
import type { ToldMessage } from '../../core/reply/told.ts'
import { writeResponsesAnnotation } from '../../wire/openai-responses.ts'
import { arrayOf, objectOf, stringOf } from '../../wire/read.ts'
import { messageItem, refusalContent, textContent } from '../../wire/openai-responses-items.ts'
import { type DeltaHeads, type EventLog, deltaHeads } from './event-log.ts'

interface Content {
  readonly part: number
  readonly kind: 'text' | 'refusal'
  readonly place: JsonObject
  readonly heads: DeltaHeads
  text: string
  readonly annotations: JsonObject[]
  readonly logprobs: TokenLogprob[]
  /** Whether its part has ended. */
  isEnded: boolean
  /** What it came to, once it is done. */
  done: JsonObject | null
}

const NO_LOGPROBS = logprobsEnd('[]')

/** What stands behind the text of a delta. */
function logprobsEnd(logprobs: string): string {
  return `","logprobs":${logprobs}}\n\n`
}

interface OpenMessage {
  readonly index: number
  readonly id: string
  readonly phase: string | undefined
  readonly contents: Content[]
}

/** How a part begins. */
interface Start {
  readonly kind: 'text' | 'refusal'
  readonly phase: string | undefined
}

/** Writes the text and refusal parts of a reply, by their numbers. */
export class MessageWriter {
  private readonly log: EventLog
  private message: OpenMessage | null = null
  private readonly starts = new Map<number, Start>()
  private readonly open = new Map<number, Content>()
  /** The content that spoke last, if it is open: nearly all of a stream is more of the same. */
  private last: Content | null = null
  /** Probabilities of tokens whose text is still to come. */
  private pending: readonly TokenLogprob[] = []

  constructor(log: EventLog) {
    this.log = log
  }

  /** Goes on with a message that somebody else began: what is said next joins the text that is open in it, as `part`. */
  resume({ index, item, contents }: ToldMessage, part: number): void {
    const id = stringOf(item['id']) ?? ''
    const phase = stringOf(item['phase']) ?? undefined
    const told = contents.map((content, at) =>
      toldContent(content, { item_id: id, output_index: index, content_index: at }, part),
    )
    this.message = { index, id, phase, contents: told }
    const last = told.at(-1)
    if (last === undefined || last.done !== null) return
    this.starts.set(part, { kind: last.kind, phase })
    this.open.set(part, last)
  }

  /** A part begins; it is added when it says something. */
  start(part: number, kind: 'text' | 'refusal', phase?: string): void {
    this.starts.set(part, { kind, phase })
  }

  /** Whether the part has said anything. */
  hasText(part: number): boolean {
    return this.open.has(part)
  }

  delta(part: number, delta: string): string {
    const { last } = this
    if (last?.part === part && last.kind === 'text' && this.pending.length === 0) {
      last.text += delta
      return this.log.delta(last.heads, delta, NO_LOGPROBS)
    }
    const before = this.begin(part)
    const content = this.open.get(part)
    if (content === undefined) return before
    this.last = content
    content.text += delta
    if (content.kind === 'refusal')
      return before + this.log.event('response.refusal.delta', { ...content.place, delta })
    const logprobs = this.pending
    this.pending = []
    content.logprobs.push(...logprobs)
    return before + this.textDelta(content, delta, logprobs)
  }

  citation(part: number, citation: Citation): string {
    const before = this.begin(part)
    const content = this.open.get(part)
    if (content === undefined) return before
    const annotation = writeResponsesAnnotation(citation, content.text.length)
    const annotation_index = content.annotations.push(annotation) - 1
    const fields = { ...content.place, annotation_index, annotation }
    return before + this.log.event('response.output_text.annotation.added', fields)
  }

  /** Probabilities of what was just said, or is said next. */
  logprobs(tokens: readonly TokenLogprob[]): string {
    const content = this.message?.contents.findLast(({ kind, done }) => kind === 'text' && done === null)
    if (content === undefined) {
      this.pending = [...this.pending, ...tokens]
      return ''
    }
    content.logprobs.push(...tokens)
    return this.textDelta(content, '', tokens)
  }

  private textDelta(content: Content, delta: string, logprobs: readonly TokenLogprob[]): string {
    const end = logprobs.length === 0 ? NO_LOGPROBS : logprobsEnd(JSON.stringify(logprobs))
    return this.log.delta(content.heads, delta, end)
  }

  endPart(part: number): void {
    const content = this.open.get(part)
    if (content !== undefined) content.isEnded = true
    this.open.delete(part)
    this.last = null
    this.starts.delete(part)
  }

  /** Something else begins: a message that has nothing more to say is done. */
  rest(): string {
    const text = this.finishContents(false)
    const isOpen = this.message?.contents.some(({ done }) => done === null) === true
    return isOpen ? text : text + this.finishMessage('completed')
  }

  /** The reply ends. */
  close(status: string): string {
    return this.finishContents(true) + this.finishMessage(status)
  }

  private begin(part: number): string {
    const start = this.starts.get(part)
    if (start === undefined || this.open.has(part)) return ''
    const { kind, phase } = start
    // What is said on the way and the answer are messages of their own.
    const isOther = kind === 'text' && this.message !== null && this.message.phase !== phase
    let text = isOther ? this.close('completed') : this.finishContents(false)
    if (this.message === null) {
      const id = this.log.nextId('msg')
      const added = this.log.add(messageItem(id, 'in_progress', [], phase))
      this.message = { index: added.index, id, phase, contents: [] }
      text += added.text
    }
    const { id, index, contents } = this.message
    const place = { item_id: id, output_index: index, content_index: contents.length }
    const heads = deltaHeads('response.output_text.delta', place)
    const content: Content = {
      part,
      kind,
      place,
      heads,
      text: '',
      annotations: [],
      logprobs: [],
      isEnded: false,
      done: null,
    }
    contents.push(content)
    this.open.set(part, content)
    return text + this.log.event('response.content_part.added', { ...place, part: contentOf(content) })
  }

  private finishContents(isAll: boolean): string {
    let text = ''
    for (const content of this.message?.contents ?? []) {
      if (content.done !== null || !(isAll || content.isEnded)) continue
      const part = contentOf(content)
      content.done = part
      const { place, kind } = content
      text +=
        kind === 'refusal'
          ? this.log.event('response.refusal.done', { ...place, refusal: content.text })
          : this.log.event('response.output_text.done', { ...place, text: content.text, logprobs: part['logprobs'] })
      text += this.log.event('response.content_part.done', { ...place, part })
    }
    return text
  }

  private finishMessage(status: string): string {
    if (this.message === null) return ''
    const { id, index, phase, contents } = this.message
    this.message = null
    return this.log.done(
      index,
      messageItem(
        id,
        status,
        contents.map((content) => contentOf(content)),
        phase,
      ),
    )
  }
}

function toldContent(
  { part: said, isDone }: ToldMessage['contents'][number],
  place: JsonObject,
  part: number,
): Content {
  const kind = said['type'] === 'refusal' ? 'refusal' : 'text'
  return {
    part,
    kind,
    place,
    heads: deltaHeads('response.output_text.delta', place),
    text: stringOf(said[kind]) ?? '',
    annotations: arrayOf(said['annotations']).map(objectOf),
    logprobs: arrayOf(said['logprobs']).map(objectOf),
    isEnded: isDone,
    done: isDone ? said : null,
  }
}

function contentOf(content: Content): JsonObject {
  if (content.kind === 'refusal') return refusalContent(content.text)
  return textContent(content.text, [...content.annotations], [...content.logprobs])
}
