// What recorded Converse replies say, read without any state but the number of the block: shares no code with the dialect.
import { parseJson } from '../../src/core/json.ts'
import type { Json, JsonObject } from '../../src/core/json.ts'
import { arrayOf, countOf, objectOf, stringOf } from '../../src/wire/read.ts'
import type { Exchange } from './exchanges.ts'

/** Where each message of a stream begins, by the lengths alone. */
export function messageStarts(bytes: Buffer): readonly number[] {
  const starts: number[] = []
  for (let at = 0; at < bytes.length; at += bytes.readUInt32BE(at)) starts.push(at)
  return starts
}

/** Payloads in a row, headers skipped by their length. */
export function payloadsOf(exchange: Exchange): readonly JsonObject[] {
  const bytes = Buffer.from(exchange.bytes)
  return messageStarts(bytes).map((at) => {
    const [length, headers] = [bytes.readUInt32BE(at), bytes.readUInt32BE(at + 4)]
    return objectOf(parseJson(bytes.toString('utf8', at + 12 + headers, at + length - 4)))
  })
}

/** What a reply says, in the terms that are compared. */
export interface Said {
  text: string
  reasoning: string
  signatures: string
  redacted: string[]
  citations: Json[]
  readonly calls: { readonly id: string; readonly name: string; input: Json }[]
  stopReason: string
  usage: JsonObject
}

/** What a stream or a whole reply says, read without any state but the number of the block. */
export function saidBy(exchange: Exchange): Said {
  const said: Said = {
    text: '',
    reasoning: '',
    signatures: '',
    redacted: [],
    citations: [],
    calls: [],
    stopReason: '',
    usage: {},
  }
  if (exchange.isStreamed) sayStream(said, payloadsOf(exchange))
  else sayWhole(said, objectOf(parseJson(exchange.body)))
  return said
}

function sayStream(said: Said, payloads: readonly JsonObject[]): void {
  const inputs = new Map<number, string>()
  const calls = new Map<number, { id: string; name: string }>()
  for (const payload of payloads) {
    const index = countOf(payload['contentBlockIndex'])
    const tool = objectOf(objectOf(payload['start'])['toolUse'])
    if (tool['type'] !== 'server_tool_use' && typeof tool['name'] === 'string') {
      calls.set(index, { id: String(tool['toolUseId']), name: tool['name'] })
    }
    const delta = objectOf(payload['delta'])
    const input = objectOf(delta['toolUse'])['input']
    if (typeof input === 'string') inputs.set(index, (inputs.get(index) ?? '') + input)
    sayBlock(said, delta)
    if (delta['citation'] !== undefined) said.citations.push(delta['citation'])
    said.stopReason = stringOf(payload['stopReason']) ?? said.stopReason
    if (payload['usage'] !== undefined) said.usage = objectOf(payload['usage'])
  }
  for (const [index, call] of calls) said.calls.push({ ...call, input: parseJson(inputs.get(index) || '{}') ?? null })
}

function sayBlock(said: Said, block: JsonObject): void {
  const reasoning = objectOf(block['reasoningContent'])
  const inner = objectOf(reasoning['reasoningText'])
  said.text += stringOf(block['text']) ?? ''
  said.reasoning += stringOf(reasoning['text']) ?? stringOf(inner['text']) ?? ''
  said.signatures += stringOf(reasoning['signature']) ?? stringOf(inner['signature']) ?? ''
  if (typeof reasoning['redactedContent'] === 'string') said.redacted.push(reasoning['redactedContent'])
}

function sayWhole(said: Said, reply: JsonObject): void {
  for (const value of arrayOf(objectOf(objectOf(reply['output'])['message'])['content'])) {
    const block = objectOf(value)
    sayBlock(said, block)
    const cited = objectOf(block['citationsContent'])
    for (const piece of arrayOf(cited['content'])) sayBlock(said, objectOf(piece))
    said.citations.push(...arrayOf(cited['citations']))
    const { toolUseId, name, input } = objectOf(block['toolUse'])
    if (typeof name === 'string') said.calls.push({ id: String(toolUseId), name, input: input ?? {} })
  }
  said.stopReason = String(reply['stopReason'])
  said.usage = objectOf(reply['usage'])
}
