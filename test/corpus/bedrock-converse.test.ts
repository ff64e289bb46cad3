// Recorded Bedrock traffic: every stream in every cut, held against what a plain reading of the raw bytes finds; requests
// through the neutral form and back.
import { describe, expect, test } from 'vitest'
import type { NeutralMessage, NeutralPart, NeutralReply, NeutralRequest } from '../../src/core/neutral.ts'
import { parseJson } from '../../src/core/json.ts'
import type { Json, JsonObject } from '../../src/core/json.ts'
import { promptTokens } from '../../src/core/money/usage.ts'
import { createFramer } from '../../src/data-plane/framing/index.ts'
import { bedrockConverse } from '../../src/dialects/bedrock-converse/index.ts'
import { arrayOf, isJsonArray, objectOf } from '../../src/wire/read.ts'
import { orderObjection } from '../contracts/event-order.ts'
import { TARGET } from '../support/target.ts'
import { chunkings, type Exchange, loadExchanges, missingCorpus } from './exchanges.ts'
import { type Said, messageStarts, payloadsOf, saidBy } from './naive-converse.ts'
import { eventsOf, replyOf } from './readers.ts'

if (missingCorpus !== null) test.skip(`recorded Bedrock exchanges: ${missingCorpus}`, () => {})

const READING = { dialect: bedrockConverse, target: { ...TARGET, dialect: 'bedrock-converse' as const } }

const converse = loadExchanges('bedrock.converse')
const streams = converse.filter((exchange) => exchange.isStreamed)
const replies = converse.filter((exchange) => exchange.status === 200)
const errors = [...converse, ...loadExchanges('bedrock.invoke'), ...loadExchanges('bedrock.count_tokens')].filter(
  (exchange) => exchange.status >= 400,
)
const invoked = loadExchanges('bedrock.invoke').filter((exchange) => exchange.isStreamed)

const named = (exchanges: readonly Exchange[]) => exchanges.map((exchange) => [exchange.id, exchange] as const)

/** The six cuts of every stream, and three inside each message's prelude. */
function cutsOf(exchange: Exchange): readonly (readonly Uint8Array[])[] {
  const bytes = Buffer.from(exchange.bytes)
  const inPreludes = [1, 6, 11].map((offset) => {
    const ends = [...messageStarts(bytes).map((at) => at + offset), bytes.length]
    return ends.map((end, index) => bytes.subarray(ends[index - 1] ?? 0, end))
  })
  return [...Object.values(chunkings(exchange)), ...inPreludes]
}

/** The same of the neutral reply. */
function saidIn(reply: NeutralReply): Omit<Said, 'stopReason' | 'usage'> {
  const parts = reply.choices.flatMap((choice) => choice.parts)
  const texts = parts.filter((part) => part.kind === 'text')
  const thoughts = parts.filter((part) => part.kind === 'reasoning')
  return {
    text: texts.map(({ text }) => text).join(''),
    reasoning: thoughts.map(({ text }) => text).join(''),
    signatures: thoughts.map(({ signature }) => signature?.value ?? '').join(''),
    redacted: thoughts.flatMap(({ redacted }) => redacted?.value ?? []),
    citations: texts.flatMap(({ citations = [] }) => citations.map(({ value }) => value ?? null)),
    calls: parts.flatMap((part) =>
      part.kind === 'tool-call' ? [{ id: part.id, name: part.name, input: parseJson(part.argumentsText) ?? null }] : [],
    ),
  }
}

const FINISHES: Readonly<Record<string, string>> = {
  end_turn: 'stop',
  stop_sequence: 'stop',
  tool_use: 'tool-calls',
  max_tokens: 'length',
  guardrail_intervened: 'filtered',
  content_filtered: 'filtered',
}

describe.runIf(converse.length > 0)('recorded Converse exchanges', () => {
  test.each(named(streams))('%s: any cut gives the same events, in legal order', (_, exchange) => {
    const events = eventsOf(READING, exchange, [exchange.bytes])
    expect(orderObjection(events)).toBeNull()
    for (const chunks of cutsOf(exchange)) expect(eventsOf(READING, exchange, chunks)).toEqual(events)
  })

  test.each(named(replies))('%s: says what the raw bytes say', (_, exchange) => {
    const reply = replyOf(READING, exchange)
    const { stopReason, usage, ...said } = saidBy(exchange)
    expect(reply.failure).toBeNull()
    expect(saidIn(reply)).toEqual(said)
    expect(reply.choices.map(({ finish }) => finish)).toEqual([FINISHES[stopReason]])
    const { inputTokens, outputTokens, totalTokens } = usage
    const counted = reply.usage ?? expect.fail('no usage')
    expect(counted.output).toBe(outputTokens)
    expect(counted.input).toBe(inputTokens)
    expect(promptTokens(counted) + counted.output).toBe(totalTokens)
  })

  test.each(named(errors))('%s: the error is understood by its name', (_, exchange) => {
    const headers = { get: (name: string) => exchange.headers[name] ?? null }
    const failure = bedrockConverse.fail(exchange.status, headers, exchange.body, 0)
    const expected = exchange.status === 403 ? 'credential' : exchange.status === 503 ? 'overloaded' : 'client'
    expect(failure).toMatchObject({ class: expected, status: exchange.status })
    const type = exchange.headers['x-amzn-errortype']
    if (type !== undefined) expect(failure.type).toBe(type.split(':')[0])
    expect(exchange.body).toContain(failure.message)
  })

  test.each(named(converse))('%s: the request comes out of the neutral form as it went in', (_, exchange) => {
    const action = /\/model\/([^/]+)\/(converse(?:-stream)?)$/.exec(exchange.url)
    const model = decodeURIComponent(action?.[1] ?? '')
    const request = neutralRequest(exchange.requestBody, model, action?.[2] === 'converse-stream')
    expect(bedrockConverse.gaps(request, { ...READING.target, model })).toEqual([])
    const call = bedrockConverse.write(request, { ...READING.target, model }, NO_EDITS)
    expect(call.path).toBe(`/model/${encodeURIComponent(model)}/${action?.[2]}`)
    expect(meaning(parseJson(call.body) ?? null)).toEqual(meaning(exchange.requestBody))
  })
})

describe.runIf(invoked.length > 0)('recorded streams of models under invoke', () => {
  test.each(named(invoked))('%s: any cut gives the events that the model sent', (_, exchange) => {
    const expected = payloadsOf(exchange).map(({ bytes }) => Buffer.from(String(bytes), 'base64').toString())
    for (const chunks of cutsOf(exchange)) {
      const framer = createFramer('application/vnd.amazon.eventstream', 'sse')
      const frames = [...chunks.flatMap((chunk) => framer.push(chunk)), ...framer.end()]
      expect(frames).toEqual(expected.map((data) => ({ event: '', data })))
    }
  })
})

const NO_EDITS = { model: null, forceUsage: false, maxOutputTokens: null }

/** A Converse request in neutral form: what a client of that wire would say. */
function neutralRequest(body: JsonObject, model: string, stream: boolean): NeutralRequest {
  const { maxTokens, temperature, topP, stopSequences } = objectOf(body['inferenceConfig'])
  const config = objectOf(body['toolConfig'])
  const tools = arrayOf(config['tools']).map((tool) => objectOf(tool))
  const system = arrayOf(body['system']).length === 0 ? [] : [turn('system', body['system'])]
  const choice = objectOf(config['toolChoice'])
  const hosted = tools.filter((tool) => tool['toolSpec'] === undefined)
  const stop = arrayOf(stopSequences).map(String)
  const extra = ['additionalModelRequestFields', 'guardrailConfig'].filter((name) => body[name] !== undefined)
  return {
    model,
    stream,
    includeUsage: true,
    messages: [...system, ...arrayOf(body['messages']).map((m) => turn(objectOf(m)['role'], objectOf(m)['content']))],
    tools: tools.flatMap(({ toolSpec }) => {
      if (toolSpec === undefined) return []
      const { name, description, inputSchema } = objectOf(toolSpec)
      const told = typeof description === 'string' ? { description } : {}
      return [{ name: String(name), ...told, parameters: objectOf(objectOf(inputSchema)['json']) }]
    }),
    ...(hosted.length === 0
      ? {}
      : {
          hostedTools: hosted.map((value) => ({
            kind: 'other' as const,
            wire: 'bedrock-converse' as const,
            type: 'systemTool',
            value,
          })),
        }),
    ...(choice['any'] === undefined ? {} : { toolChoice: { kind: 'required' } }),
    ...(choice['auto'] === undefined ? {} : { toolChoice: { kind: 'auto' } }),
    ...(typeof maxTokens === 'number' ? { maxOutputTokens: maxTokens } : {}),
    ...(typeof temperature === 'number' ? { temperature } : {}),
    ...(typeof topP === 'number' ? { topP } : {}),
    ...(stop.length === 0 ? {} : { stop }),
    extra: Object.fromEntries(extra.map((name) => [name, body[name]])),
  }
}

function turn(role: Json | undefined, content: Json | undefined): NeutralMessage {
  const parts: NeutralPart[] = []
  for (const value of arrayOf(content)) {
    const block = objectOf(value)
    const last = parts.at(-1)
    if (block['cachePoint'] !== undefined && last !== undefined) {
      parts[parts.length - 1] = { ...last, cacheMark: { ttl: null } }
    } else parts.push(partOf(block))
  }
  return { role: role === 'assistant' || role === 'system' ? role : 'user', parts }
}

const MEDIA = { png: 'image/png', mp4: 'video/mp4', txt: 'text/plain', pdf: 'application/pdf' } as const

function partOf(block: JsonObject): NeutralPart {
  const { text, toolUse, toolResult, image, video, document, reasoningContent, citationsContent } = block
  if (typeof text === 'string') return { kind: 'text', text }
  if (toolUse !== undefined) {
    const { toolUseId, name, input } = objectOf(toolUse)
    return { kind: 'tool-call', id: String(toolUseId), name: String(name), argumentsText: JSON.stringify(input) }
  }
  if (toolResult !== undefined) {
    const { toolUseId, content, status } = objectOf(toolResult)
    const inner = arrayOf(content).map((value) => partOf(objectOf(value)))
    return { kind: 'tool-result', callId: String(toolUseId), content: inner, isError: status === 'error' }
  }
  if (image !== undefined) return { kind: 'image', source: sourceOf(objectOf(image)) }
  if (video !== undefined) return { kind: 'video', source: sourceOf(objectOf(video)) }
  if (document !== undefined) return documentPart(objectOf(document))
  if (reasoningContent !== undefined) {
    const { text: thought, signature } = objectOf(objectOf(reasoningContent)['reasoningText'])
    return { kind: 'reasoning', text: String(thought), signature: { maker: 'bedrock', value: String(signature) } }
  }
  if (citationsContent === undefined) return { kind: 'other', type: 'block', wire: 'bedrock-converse', value: block }
  const { content, citations } = objectOf(citationsContent)
  return {
    kind: 'text',
    text: String(objectOf(arrayOf(content)[0])['text']),
    citations: arrayOf(citations).map((value) => ({ wire: 'bedrock-converse', value: objectOf(value) })),
  }
}

function sourceOf(media: JsonObject) {
  const mediaType = Object.entries(MEDIA).find(([format]) => format === media['format'])?.[1] ?? ''
  const { bytes, s3Location } = objectOf(media['source'])
  if (typeof bytes === 'string') return { kind: 'base64', mediaType, data: bytes } as const
  return { kind: 'url', url: String(objectOf(s3Location)['uri']), mediaType } as const
}

function documentPart(document: JsonObject): NeutralPart {
  const { name, source, context, citations } = document
  const { text } = objectOf(source)
  return {
    kind: 'document',
    source: typeof text === 'string' ? { kind: 'text', text } : sourceOf(document),
    title: String(name),
    ...(typeof context === 'string' ? { context } : {}),
    ...(citations === undefined ? {} : { isCited: true }),
  }
}

/** A request without what says nothing: empty lists and objects, a result's success, turns of one role in a row. */
function meaning(value: Json): Json {
  if (isJsonArray(value)) return value.map((item) => meaning(item))
  if (typeof value !== 'object' || value === null) return value
  const members = Object.entries(objectOf(value)).map(([name, member]): [string, Json] => [
    name,
    name === 'messages' ? merged(arrayOf(member)) : meaning(member ?? null),
  ])
  return Object.fromEntries(members.filter(([name, member]) => !saysNothing(name, member)))
}

function saysNothing(name: string, member: Json): boolean {
  if (name === 'status') return member === 'success'
  // Asks the model to name the sequence at which it stopped: of the reply, not of the prompt.
  if (name === 'additionalModelResponseFieldPaths') return true
  const isSetting = ['system', 'inferenceConfig', 'stopSequences'].includes(name)
  return isSetting && typeof member === 'object' && member !== null && Object.keys(member).length === 0
}

function merged(messages: readonly Json[]): readonly Json[] {
  const turns: { role: Json | undefined; content: Json[] }[] = []
  for (const message of messages) {
    const { role, content } = objectOf(message)
    const last = turns.at(-1)
    const blocks = arrayOf(content).map((block) => meaning(block))
    if (last !== undefined && last.role === role) last.content.push(...blocks)
    else turns.push({ role, content: blocks })
  }
  return turns.map(({ role, content }) => ({ role: role ?? null, content }))
}
