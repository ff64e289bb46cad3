// The simulated Bedrock: its binary stream, read by a reader of its own; who is let in; and what goes wrong when asked to.
import { crc32 } from 'node:zlib'
import { describe, expect, test } from 'vitest'
import { isJsonObject, parseJson, type JsonObject } from '../../src/core/json.ts'
import { signingHeaders } from '../../src/platform/auth/sigv4.ts'
import { handleSimulated } from '../../src/simulated/handle-simulated.ts'
import { instantClock, readWrites } from '../support/simulated.ts'

const QUESTION = { messages: [{ role: 'user', content: [{ text: 'When is high tide?' }] }] }
const BEARER = { authorization: 'Bearer any' }

function ask(model: string, body: object, action = 'converse', headers: Record<string, string> = BEARER) {
  const url = `http://simulated/bedrock/model/${encodeURIComponent(model)}/${action}`
  const request = new Request(url, { method: 'POST', headers, body: JSON.stringify({ ...QUESTION, ...body }) })
  return handleSimulated(request, instantClock())
}

interface Message {
  readonly headers: Readonly<Record<string, string>>
  readonly body: JsonObject
}

/** The messages of a stream, by the letter of the format's description; throws where a checksum is wrong. */
function messagesIn(bytes: Buffer): Message[] {
  const messages: Message[] = []
  for (let at = 0; at < bytes.length;) {
    const [length, headersLength] = [bytes.readUInt32BE(at), bytes.readUInt32BE(at + 4)]
    const message = bytes.subarray(at, at + length)
    if (crc32(message.subarray(0, 8)) !== message.readUInt32BE(8)) throw new Error('prelude')
    if (crc32(message.subarray(0, -4)) !== message.readUInt32BE(length - 4)) throw new Error('message')
    const headers: Record<string, string> = {}
    for (let place = 12; place < 12 + headersLength;) {
      const valueAt = place + 1 + message.readUInt8(place) + 3
      const end = valueAt + message.readUInt16BE(valueAt - 2)
      headers[message.toString('utf8', place + 1, valueAt - 3)] = message.toString('utf8', valueAt, end)
      place = end
    }
    const body = parseJson(message.toString('utf8', 12 + headersLength, length - 4))
    messages.push({ headers, body: isJsonObject(body) ? body : {} })
    at += length
  }
  return messages
}

async function streamed(model: string, body: object = {}): Promise<Message[]> {
  const response = await ask(model, body, 'converse-stream')
  expect(response.headers.get('content-type')).toBe('application/vnd.amazon.eventstream')
  return messagesIn(Buffer.concat((await readWrites(response)).writes))
}

const eventsOf = (messages: readonly Message[]) => messages.map(({ headers }) => headers[':event-type'])

describe('simulated Bedrock', () => {
  test('a stream and a whole reply say and count the same', async () => {
    const whole = await (await ask('sim-bedrock', {})).json<JsonObject>()
    const messages = await streamed('sim-bedrock')
    const deltas = messages.map(({ body }) => body['delta']).filter(isJsonObject)
    const text = deltas.map((delta) => String(delta['text'])).join('')
    expect(whole['output']).toEqual({ message: { role: 'assistant', content: [{ text }] } })
    expect(messages.at(-1)?.body['usage']).toEqual(whole['usage'])
    expect(whole['stopReason']).toBe('end_turn')
    expect(messages.every(({ body }) => typeof body['p'] === 'string')).toBe(true)
  })

  test('events come in the order of the real service: no start for text, usage last', async () => {
    const events = eventsOf(await streamed('sim-bedrock'))
    expect(events[0]).toBe('messageStart')
    expect(events.slice(-3)).toEqual(['contentBlockStop', 'messageStop', 'metadata'])
    expect(new Set(events.slice(1, -3))).toEqual(new Set(['contentBlockDelta']))
  })

  test('offers of tools are called, two at once, until their results are there', async () => {
    const schema = { type: 'object', properties: { port: { type: 'string' } }, required: ['port'] }
    const tools = ['tides', 'lights', 'winds'].map((name) => ({ toolSpec: { name, inputSchema: { json: schema } } }))
    const messages = await streamed('sim-bedrock', { toolConfig: { tools } })
    expect(eventsOf(messages).filter((event) => event === 'contentBlockStart')).toHaveLength(2)
    expect(messages.at(-2)?.body['stopReason']).toBe('tool_use')
    const orphan = { role: 'user', content: [{ toolResult: { toolUseId: 'a', content: [] } }] }
    const refused = await ask('sim-bedrock', { messages: [orphan] })
    expect(refused.status).toBe(400)
    expect(refused.headers.get('x-amzn-errortype')).toMatch(/^ValidationException:/)
  })

  test('thoughts are signed where thinking is asked for', async () => {
    const thinking = { type: 'enabled', budget_tokens: 1024 }
    const reply = await (await ask('sim-bedrock', { additionalModelRequestFields: { thinking } })).json<JsonObject>()
    expect(JSON.stringify(reply)).toMatch(/"reasoningText":\{"text":"The question.*","signature":"\w+=="/)
  })

  test('a signature of the right form is let in, and a bearer key; nothing else is', async () => {
    const url = 'http://simulated/bedrock/model/sim-bedrock/converse'
    const body = JSON.stringify(QUESTION)
    const call = { method: 'POST', url, body, region: 'eu-west-1', nowMs: Date.now() }
    const signed = await signingHeaders({ ...call, credential: 'AKIDTIDE:secret:token' })
    expect((await ask('sim-bedrock', {}, 'converse', signed)).status).toBe(200)
    expect((await ask('sim-bedrock', {}, 'converse', BEARER)).status).toBe(200)
    const refusals: readonly (readonly [Record<string, string>, string])[] = [
      [{}, 'MissingAuthenticationTokenException'],
      [{ authorization: 'Bearer invalid' }, 'UnrecognizedClientException'],
      [{ authorization: 'Basic abc' }, 'IncompleteSignatureException'],
      [{ ...signed, 'x-amz-date': '20000101T000000Z' }, 'IncompleteSignatureException'],
      [await signingHeaders({ ...call, credential: 'invalid:secret' }), 'UnrecognizedClientException'],
    ]
    for (const [headers, type] of refusals) {
      const response = await ask('sim-bedrock', {}, 'converse', headers)
      expect(response.status).toBe(403)
      expect(response.headers.get('x-amzn-errortype')).toContain(type)
    }
  })

  test('statuses come with their names', async () => {
    const throttled = await ask('sim-bedrock-e429', {})
    expect(throttled.status).toBe(429)
    expect(throttled.headers.get('x-amzn-errortype')).toMatch(/^ThrottlingException:/)
    expect((await ask('sim-bedrock-e503', {})).headers.get('x-amzn-errortype')).toMatch(/^ServiceUnavailable/)
  })

  test('an error in mid-stream is an exception, after which nothing comes', async () => {
    const messages = await streamed('sim-bedrock-errchunk2')
    expect(eventsOf(messages).slice(0, 3)).toEqual(['messageStart', 'contentBlockDelta', 'contentBlockDelta'])
    expect(messages[3]?.headers).toMatchObject({
      ':message-type': 'exception',
      ':exception-type': 'internalServerException',
    })
    expect(messages).toHaveLength(4)
  })

  test('garbage is a message with a wrong checksum', async () => {
    await expect(streamed('sim-bedrock-garbage1')).rejects.toThrow('message')
  })

  test('a truncated stream lacks its end', async () => {
    expect(eventsOf(await streamed('sim-bedrock-truncated')).at(-1)).toBe('contentBlockStop')
  })

  test('a split stream has its writes cut inside messages, and says the same', async () => {
    const messages = await streamed('sim-bedrock-fast-split-tokens20')
    expect(eventsOf(messages).at(-1)).toBe('metadata')
    expect(messages.filter(({ headers }) => headers[':event-type'] === 'contentBlockDelta')).toHaveLength(20)
  })
})
