// What recorded replies of Anthropic's wire say, put together from the raw messages without any of our code but the framing.
import { parseJson } from '../../src/core/json.ts'
import type { Json, JsonObject } from '../../src/core/json.ts'
import { createFramer } from '../../src/data-plane/framing/index.ts'
import { arrayOf, countOf, objectOf, stringOf } from '../../src/wire/read.ts'
import type { Exchange } from './exchanges.ts'

/** Bedrock still has Anthropic's first wire, one text in and one out. */
export function isOldCompletion(exchange: Exchange): boolean {
  return exchange.requestBody['prompt'] !== undefined
}

/** What a reply says, in the terms that are compared. */
export interface Essence {
  readonly text: string
  readonly thinking: string
  readonly signatures: string
  readonly calls: readonly Json[]
  readonly others: readonly string[]
  readonly citations: number
  readonly tokens: readonly [number, number]
  readonly hasFinish: boolean
}

/** A reply put together from the raw messages without any of our code but the framing. */
export function naively(exchange: Exchange): Essence {
  const { blocks, usage, stop } = exchange.isStreamed ? fromStream(exchange) : fromWhole(exchange)
  const of = (type: string): readonly JsonObject[] => blocks.filter((block) => block['type'] === type)
  const known = ['text', 'thinking', 'redacted_thinking', 'tool_use']
  const iterations = arrayOf(usage['iterations']).map((iteration) => objectOf(iteration))
  // A report leaves out what compacting took.
  const reports = iterations.some((iteration) => iteration['type'] === 'compaction') ? iterations : [usage]
  return {
    text: of('text')
      .map((block) => String(block['text']))
      .join(''),
    thinking: of('thinking')
      .map((block) => String(block['thinking']))
      .join(''),
    signatures: blocks
      .map((block) => stringOf(block['signature']) ?? (known[2] === block['type'] ? String(block['data']) : ''))
      .join(''),
    calls: of('tool_use').map((block) => [block['id'] ?? null, block['name'] ?? null, block['input'] ?? null]),
    others: blocks.map((block) => String(block['type'])).filter((type) => !known.includes(type)),
    citations: blocks.reduce((sum, block) => sum + arrayOf(block['citations']).length, 0),
    tokens: [sumOf(reports, PROMPT_MEMBERS), sumOf(reports, ['output_tokens'])],
    hasFinish: stop !== null,
  }
}

/** Why it ended, in the provider's word; null where it doesn't say. */
export function stopReasonOf(exchange: Exchange): string | null {
  return (exchange.isStreamed ? fromStream(exchange) : fromWhole(exchange)).stop
}

/** Prompt and completion without what is told of single turns. */
export function topTokensOf(exchange: Exchange): readonly [prompt: number, completion: number] {
  const { usage } = exchange.isStreamed ? fromStream(exchange) : fromWhole(exchange)
  return [sumOf([usage], PROMPT_MEMBERS), sumOf([usage], ['output_tokens'])]
}

const PROMPT_MEMBERS = ['input_tokens', 'cache_read_input_tokens', 'cache_creation_input_tokens']

function sumOf(reports: readonly JsonObject[], names: readonly string[]): number {
  return reports.flatMap((report) => names.map((name) => countOf(report[name]))).reduce((sum, count) => sum + count, 0)
}

interface Raw {
  readonly blocks: readonly JsonObject[]
  readonly usage: JsonObject
  readonly stop: string | null
}

function fromWhole(exchange: Exchange): Raw {
  const message = objectOf(parseJson(exchange.body))
  return {
    blocks: arrayOf(message['content']).map((block) => objectOf(block)),
    usage: objectOf(message['usage']),
    stop: stringOf(message['stop_reason']),
  }
}

function fromStream(exchange: Exchange): Raw {
  const framer = createFramer(exchange.headers['content-type'] ?? null, 'sse')
  const blocks: Record<string, Json | undefined>[] = []
  let usage: JsonObject = {}
  let stop: string | null = null
  for (const frame of [...framer.push(exchange.bytes), ...framer.end()]) {
    const message = objectOf(parseJson(frame.data))
    const given = withoutNull(objectOf(objectOf(message['message'])['usage'] ?? message['usage']))
    usage = { ...usage, ...given }
    stop = stringOf(objectOf(message['delta'])['stop_reason']) ?? stop
    if (message['type'] === 'content_block_start') blocks.push({ ...objectOf(message['content_block']), partial: '' })
    const block = blocks.at(-1)
    if (message['type'] === 'content_block_delta' && block !== undefined) addDelta(block, objectOf(message['delta']))
  }
  for (const block of blocks) {
    if (block['partial'] !== '') block['input'] = parseJson(String(block['partial'])) ?? null
  }
  return { blocks, usage, stop }
}

function addDelta(block: Record<string, Json | undefined>, delta: JsonObject): void {
  if (delta['type'] === 'citations_delta')
    block['citations'] = [...arrayOf(block['citations']), delta['citation'] ?? null]
  for (const name of ['text', 'thinking', 'signature']) {
    if (typeof delta[name] === 'string') block[name] = String(block[name] ?? '') + delta[name]
  }
  if (typeof delta['partial_json'] === 'string') block['partial'] = String(block['partial']) + delta['partial_json']
}

function withoutNull(object: JsonObject): JsonObject {
  return Object.fromEntries(Object.entries(object).filter(([, value]) => value !== null))
}
