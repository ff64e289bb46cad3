// Ends a response's stream before its time, on the native lane: every item that is open gets its end, marked as incomplete,
// and the last event has the whole, as OpenAI's own has it (https://platform.openai.com/docs/api-reference/responses-streaming).
// That takes all that was said: frames are kept as they came, and only looked into when they are many, or when the end has
// come. Only for streams that may have to be cut.
import { parseJson } from '../../core/json.ts'
import type { Json, JsonObject } from '../../core/json.ts'
import { writeResponseEnd, writeResponsesUsage } from '../../wire/openai-responses.ts'
import { arrayOf, countOf, objectOf, stringOf } from '../../wire/read.ts'
import type { StreamPlace, ToldMessage } from '../../core/reply/told.ts'
import type { CutShort, PlaceReader, StreamMeter } from '../dialect.ts'

/** Characters of frames that are kept before they are looked into. */
const KEPT_CHARS_MAX = 65_536

/** `meter`, with a memory of what was said. */
export function cuttableMeter(meter: StreamMeter): StreamMeter {
  const record = new ResponseRecord()
  return {
    push(frame) {
      record.keep(frame.data)
      return meter.push(frame)
    },
    get usage() {
      return meter.usage
    },
    get visibleChars() {
      return meter.visibleChars
    },
    get isComplete() {
      return meter.isComplete
    },
    get isTerminated() {
      return meter.isTerminated
    },
    get isCalling() {
      return meter.isCalling === true
    },
    get failure() {
      return meter.failure
    },
    get nextNumber() {
      return meter.nextNumber ?? 0
    },
    cut: (at) => record.cut(at),
  }
}

/** A text within an item, as far as it was said. */
interface Piece {
  readonly place: JsonObject
  readonly part: JsonObject
  /** The member of the part that has the text. */
  readonly member: 'text' | 'refusal'
  text: string
  isDone: boolean
}

interface Item {
  value: JsonObject
  isDone: boolean
  readonly contents: Map<number, Piece>
  readonly summaries: Map<number, Piece>
  /** Of a call. */
  input: string
}

/** Follows where a stream stands. */
export function createResponsePlaces(): PlaceReader {
  const record = new ResponseRecord()
  return {
    take: ({ data }) => record.keep(data),
    get place() {
      return record.place
    },
  }
}

class ResponseRecord {
  private kept: string[] = []
  private keptChars = 0
  private response: JsonObject | null = null
  private sequence = -1
  private readonly items = new Map<number, Item>()

  keep(data: string): void {
    this.kept.push(data)
    this.keptChars += data.length
    if (this.keptChars > KEPT_CHARS_MAX) this.read()
  }

  get place(): StreamPlace {
    this.read()
    const items: JsonObject[] = []
    let message: ToldMessage | null = null
    let open: string | null = null
    for (const [index, { value, isDone, contents }] of this.items) {
      items[index] = value
      if (isDone) continue
      if (message !== null || value['type'] !== 'message') open = stringOf(value['type']) ?? ''
      else
        message = {
          index,
          item: value,
          contents: [...contents.values()].map((piece) => ({ part: partOf(piece), isDone: piece.isDone })),
        }
    }
    return { kind: 'response', next: this.sequence + 1, items, message, open }
  }

  cut({ usage }: CutShort): string | null {
    this.read()
    const { response } = this
    if (response === null) return null
    let text = ''
    for (const [index, item] of this.items) if (!item.isDone) text += this.endItem(index, item)
    const output: Json[] = [...this.items].sort(([a], [b]) => a - b).map(([, { value }]) => value)
    const whole = { ...response, ...writeResponseEnd('length'), output, usage: writeResponsesUsage(usage) }
    return text + this.written('response.incomplete', { response: whole })
  }

  private read(): void {
    for (const data of this.kept) this.take(objectOf(parseJson(data)))
    this.kept = []
    this.keptChars = 0
  }

  private take(event: JsonObject): void {
    const type = stringOf(event['type']) ?? ''
    if (event['sequence_number'] !== undefined) this.sequence = countOf(event['sequence_number'])
    if (event['response'] !== undefined) this.response = objectOf(event['response'])
    if (event['output_index'] === undefined) return
    const item = this.itemAt(countOf(event['output_index']))
    switch (type) {
      case 'response.output_item.added':
      case 'response.output_item.done':
        item.value = objectOf(event['item'])
        item.isDone = type.endsWith('.done')
        return
      case 'response.content_part.added':
        return begin(item.contents, event, 'content_index')
      case 'response.reasoning_summary_part.added':
        return begin(item.summaries, event, 'summary_index')
      case 'response.content_part.done':
        return finish(item.contents, event, 'content_index')
      case 'response.reasoning_summary_part.done':
        return finish(item.summaries, event, 'summary_index')
      case 'response.function_call_arguments.delta':
      case 'response.custom_tool_call_input.delta':
        item.input += stringOf(event['delta']) ?? ''
        return
      default:
        if (type.endsWith('.delta')) hear(item, event)
    }
  }

  private itemAt(index: number): Item {
    const known = this.items.get(index)
    if (known !== undefined) return known
    const item: Item = { value: {}, isDone: false, contents: new Map(), summaries: new Map(), input: '' }
    this.items.set(index, item)
    return item
  }

  private endItem(index: number, item: Item): string {
    const { value, contents, summaries, input } = item
    let text = ''
    for (const piece of contents.values()) text += this.endPiece(piece, 'content_part', `output_${piece.member}`)
    for (const piece of summaries.values())
      text += this.endPiece(piece, 'reasoning_summary_part', 'reasoning_summary_text')
    const place = { item_id: value['id'] ?? '', output_index: index }
    const said: Record<string, Json> = {}
    if (contents.size > 0) said['content'] = [...contents.values()].map(partOf)
    if (summaries.size > 0) said['summary'] = [...summaries.values()].map(partOf)
    if (value['type'] === 'function_call') {
      said['arguments'] = input
      const name = value['name'] ?? ''
      text += this.written('response.function_call_arguments.done', { ...place, name, arguments: input })
    } else if (value['type'] === 'custom_tool_call') {
      said['input'] = input
      text += this.written('response.custom_tool_call_input.done', { ...place, input })
    }
    item.value = { ...value, ...said, status: 'incomplete' }
    return text + this.written('response.output_item.done', { output_index: index, item: item.value })
  }

  private endPiece(piece: Piece, part: string, text: string): string {
    if (piece.isDone) return ''
    const { place, member } = piece
    const isReasoning = piece.part['type'] === 'reasoning_text'
    const name = member === 'refusal' ? 'refusal' : isReasoning ? 'reasoning_text' : text
    const logprobs = name === 'output_text' ? { logprobs: arrayOf(piece.part['logprobs']) } : {}
    return (
      this.written(`response.${name}.done`, { ...place, [member]: piece.text, ...logprobs }) +
      this.written(`response.${part}.done`, { ...place, part: partOf(piece) })
    )
  }

  private written(type: string, fields: JsonObject): string {
    this.sequence += 1
    return `event: ${type}\ndata: ${JSON.stringify({ type, sequence_number: this.sequence, ...fields })}\n\n`
  }
}

function begin(pieces: Map<number, Piece>, event: JsonObject, member: string): void {
  const part = objectOf(event['part'])
  const { item_id = '', output_index = 0, [member]: number = 0 } = event
  const place = { item_id, output_index, [member]: number }
  const textMember = part['type'] === 'refusal' ? 'refusal' : 'text'
  const text = stringOf(part[textMember]) ?? ''
  pieces.set(countOf(number), { place, part, member: textMember, text, isDone: false })
}

function finish(pieces: Map<number, Piece>, event: JsonObject, member: string): void {
  const piece = pieces.get(countOf(event[member]))
  if (piece === undefined) return
  piece.isDone = true
  piece.text = stringOf(objectOf(event['part'])[piece.member]) ?? piece.text
}

/** More of a text, of whichever kind. */
function hear(item: Item, event: JsonObject): void {
  const isSummary = event['summary_index'] !== undefined
  const index = countOf(event[isSummary ? 'summary_index' : 'content_index'])
  const piece = (isSummary ? item.summaries : item.contents).get(index)
  if (piece !== undefined) piece.text += stringOf(event['delta']) ?? ''
}

function partOf({ part, member, text }: Piece): JsonObject {
  return { ...part, [member]: text }
}
