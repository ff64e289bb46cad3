// Places Converse content blocks into parts. A block of a stream and a block of a whole reply are told in the same steps,
// so that both come to the same.
import { isJsonObject, parseJson } from '../../core/json.ts'
import type { Json, JsonObject } from '../../core/json.ts'
import type { Citation } from '../../core/neutral.ts'
import { joinBase64 } from '../../wire/base64.ts'
import { arrayOf, isJsonArray, objectOf, stringOf } from '../../wire/read.ts'
import type { ReplyEvents } from '../reply-events.ts'

/** Converse gives one reply a request. */
export const ONLY_CHOICE = 0

const WIRE = 'bedrock-converse'

type Block =
  | { readonly kind: 'tool'; readonly part: number; hasArguments: boolean }
  /** A call of a tool that the provider runs. */
  | { readonly kind: 'server-call'; readonly call: JsonObject; input: string }
  | { readonly kind: 'server-result'; readonly result: JsonObject; readonly content: Json[] }
  | { readonly kind: 'image'; readonly format: string; readonly pieces: string[] }

export class ConverseBlocks {
  private readonly events: ReplyEvents
  private readonly open = new Map<number, Block>()

  constructor(events: ReplyEvents) {
    this.events = events
  }

  /** A block that says what it is; text and reasoning don't. */
  begin(index: number, start: JsonObject): void {
    this.end(index)
    if (isJsonObject(start['toolUse'])) this.beginTool(index, start['toolUse'])
    else if (isJsonObject(start['toolResult'])) {
      this.open.set(index, { kind: 'server-result', result: start['toolResult'], content: [] })
    } else if (isJsonObject(start['image'])) this.beginImage(index, start['image'])
  }

  delta(index: number, delta: JsonObject): void {
    const block = this.open.get(index)
    if (typeof delta['text'] === 'string') this.events.text(ONLY_CHOICE, 'text', delta['text'])
    else if (isJsonObject(delta['reasoningContent'])) this.reasoning(delta['reasoningContent'])
    else if (isJsonObject(delta['citation'])) this.events.citation(ONLY_CHOICE, citationOf(delta['citation']))
    else if (isJsonObject(delta['toolUse'])) this.addInput(block, stringOf(delta['toolUse']['input']) ?? '')
    else if (isJsonArray(delta['toolResult'])) {
      if (block?.kind === 'server-result') block.content.push(...delta['toolResult'])
    } else if (isJsonObject(delta['image']) && block?.kind === 'image') {
      block.pieces.push(stringOf(objectOf(delta['image']['source'])['bytes']) ?? '')
    }
  }

  end(index: number): void {
    const block = this.open.get(index)
    if (block === undefined) return this.events.endText(ONLY_CHOICE)
    this.open.delete(index)
    switch (block.kind) {
      case 'tool':
        // A call without arguments has no delta at all: an empty object is meant.
        if (!block.hasArguments) this.events.toolArguments(ONLY_CHOICE, block.part, '{}')
        return this.events.endToolCall(ONLY_CHOICE, block.part)
      case 'server-call':
        return this.other({ toolUse: { ...block.call, input: parseJson(block.input) ?? {} } })
      case 'server-result':
        return this.other({ toolResult: { ...block.result, content: block.content } })
      case 'image':
        return this.events.image(ONLY_CHOICE, {
          kind: 'base64',
          mediaType: `image/${block.format}`,
          data: joinBase64(block.pieces),
        })
    }
  }

  /** A block of a whole reply. */
  whole(index: number, block: JsonObject): void {
    const { text, toolUse, reasoningContent, citationsContent, image } = block
    if (typeof text === 'string') this.delta(index, block)
    else if (isJsonObject(toolUse)) {
      this.begin(index, block)
      this.addInput(this.open.get(index), toolUse['input'] === undefined ? '' : JSON.stringify(toolUse['input']))
    } else if (isJsonObject(reasoningContent)) {
      this.reasoning({ ...reasoningContent, ...objectOf(reasoningContent['reasoningText']) })
    } else if (isJsonObject(citationsContent)) this.cited(index, citationsContent)
    else if (isJsonObject(image)) {
      this.begin(index, block)
      this.delta(index, block)
    } else if (Object.keys(block).length > 0) this.other(block)
    this.end(index)
  }

  private beginTool(index: number, tool: JsonObject): void {
    if (tool['type'] === 'server_tool_use') {
      const { input: _, ...call } = tool
      this.open.set(index, { kind: 'server-call', call, input: '' })
      return
    }
    const id = stringOf(tool['toolUseId']) ?? `call_${index}`
    const part = this.events.toolCall(ONLY_CHOICE, id, stringOf(tool['name']) ?? '')
    this.open.set(index, { kind: 'tool', part, hasArguments: false })
  }

  private beginImage(index: number, image: JsonObject): void {
    this.open.set(index, { kind: 'image', format: stringOf(image['format']) ?? 'png', pieces: [] })
  }

  private addInput(block: Block | undefined, text: string): void {
    if (text === '') return
    if (block?.kind === 'server-call') block.input += text
    if (block?.kind !== 'tool') return
    block.hasArguments = true
    this.events.toolArguments(ONLY_CHOICE, block.part, text)
  }

  private reasoning(content: JsonObject): void {
    const { text, signature, redactedContent } = content
    this.events.text(ONLY_CHOICE, 'reasoning', stringOf(text) ?? '')
    this.events.signature(ONLY_CHOICE, { maker: 'bedrock', value: stringOf(signature) ?? '' })
    this.events.redacted(ONLY_CHOICE, { maker: 'bedrock', value: stringOf(redactedContent) ?? '' })
  }

  private cited(index: number, content: JsonObject): void {
    for (const citation of arrayOf(content['citations'])) this.delta(index, { citation })
    for (const piece of arrayOf(content['content'])) this.delta(index, objectOf(piece))
  }

  private other(value: JsonObject): void {
    this.events.other(ONLY_CHOICE, WIRE, Object.keys(value)[0] ?? '', value)
  }
}

/** The wire says which text a citation belongs to by the block that it stands in, so there are no offsets. */
function citationOf(citation: JsonObject): Citation {
  const title = stringOf(citation['title'])
  const url = stringOf(objectOf(objectOf(citation['location'])['web'])['url'])
  const citedText = arrayOf(citation['sourceContent'])
    .map((content) => stringOf(objectOf(content)['text']) ?? '')
    .join('')
  return {
    ...(url === null ? {} : { url }),
    ...(title === null ? {} : { title }),
    ...(citedText === '' ? {} : { citedText }),
    wire: WIRE,
    value: citation,
  }
}
