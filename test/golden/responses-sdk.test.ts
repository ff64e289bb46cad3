// What the responses protocol writes, read by the `openai` SDK: whole, as events, and by the helper that puts a stream
// together and checks every event against the one before.
import OpenAI, { APIError } from 'openai'
import { describe, expect, test } from 'vitest'
import { unfold } from '../../src/core/reply/fold.ts'
import type { Failure } from '../../src/core/failure.ts'
import type { JsonObject } from '../../src/core/json.ts'
import type { NeutralPart, NeutralReply } from '../../src/core/neutral.ts'
import { NO_USAGE } from '../../src/core/money/usage.ts'
import { protocols } from '../support/registries.ts'
import { eventsInPieces } from '../support/any-parts.ts'

const { responses } = protocols
const REQUEST = {
  model: 'harbour-2',
  input: 'When is high tide?',
  instructions: 'Be brief.',
  max_output_tokens: 200,
  metadata: { berth: '7' },
  reasoning: { effort: 'low' as const },
  tools: [{ type: 'function' as const, name: 'tide_at', parameters: { type: 'object' }, strict: false }],
}
const CONTEXT = { id: 'resp_req_1', createdSeconds: 1_760_000_000, model: 'harbour-2', wantsUsage: true }

const PARTS: readonly NeutralPart[] = [
  { kind: 'reasoning', text: 'Neaps, then.', signature: { maker: 'anthropic', value: 'c2lnbmVk' } },
  {
    kind: 'text',
    text: 'High tide is ',
    citations: [{ url: 'https://tides.example', title: 'Tides', start: 0, end: 9 }],
  },
  { kind: 'text', text: 'at six.' },
  { kind: 'tool-call', id: 'call_a', name: 'tide_at', argumentsText: '{"port":"Brest"}' },
  { kind: 'tool-call', id: 'call_b', name: 'tide_at', argumentsText: '{"port":"Ouessant"}' },
  { kind: 'tool-call', id: 'call_c', name: 'log_entry', argumentsText: 'wind SW 4', isCustom: true },
  { kind: 'refusal', text: 'No more than that.' },
]

function reply(parts: readonly NeutralPart[], finish: 'stop' | 'length' | 'tool-calls' = 'tool-calls'): NeutralReply {
  return {
    id: 'x',
    model: 'harbour-2',
    createdSeconds: 1,
    choices: [{ parts, finish }],
    usage: { ...NO_USAGE, input: 20, cacheRead: 100, output: 9, reasoning: 30 },
    failure: null,
  }
}

function client(body: string, type: string, status = 200, headers: Record<string, string> = {}): OpenAI {
  const fetch = async (): Promise<Response> =>
    new Response(body, { status, headers: { 'content-type': type, ...headers } })
  return new OpenAI({ apiKey: 'none', baseURL: 'http://gateway.test/v1', maxRetries: 0, logLevel: 'off', fetch })
}

function whole(said: NeutralReply, request: JsonObject = REQUEST): OpenAI {
  return client(JSON.stringify(responses.write(said, { ...CONTEXT, request })), 'application/json')
}

function stream(said: NeutralReply, end?: string): OpenAI {
  const writer = responses.writer({ ...CONTEXT, request: REQUEST })
  const text = eventsInPieces(said, 4)
    .map((event) => writer.push(event))
    .join('')
  return client(text + (end ?? writer.end()), 'text/event-stream')
}

const FAILURE: Failure = { kind: 'limiter-unavailable' }

describe('the openai SDK', () => {
  test('reads a whole response', async () => {
    const response = await whole(reply(PARTS)).responses.create(REQUEST)
    expect(response).toMatchObject({
      id: 'resp_req_1',
      object: 'response',
      status: 'completed',
      output_text: 'High tide is at six.',
      usage: {
        input_tokens: 120,
        input_tokens_details: { cached_tokens: 100 },
        output_tokens: 39,
        output_tokens_details: { reasoning_tokens: 30 },
        total_tokens: 159,
      },
      instructions: 'Be brief.',
      max_output_tokens: 200,
      metadata: { berth: '7' },
      reasoning: { effort: 'low', summary: null },
      tool_choice: 'auto',
      parallel_tool_calls: true,
      text: { format: { type: 'text' } },
      truncation: 'disabled',
      store: false,
      error: null,
      incomplete_details: null,
    })
    expect(response.output.map((item) => item.type)).toEqual([
      'reasoning',
      'message',
      'function_call',
      'function_call',
      'custom_tool_call',
      'message',
    ])
  })

  test('reads a stream event by event', async () => {
    let text = ''
    let calls = ''
    let last: string = ''
    for await (const event of await stream(reply(PARTS)).responses.create({ ...REQUEST, stream: true })) {
      if (event.type === 'response.output_text.delta') text += event.delta
      if (event.type === 'response.function_call_arguments.delta') calls += event.delta
      last = event.type
    }
    expect(text).toBe('High tide is at six.')
    expect(calls).toBe('{"port":"Brest"}{"port":"Ouessant"}')
    expect(last).toBe('response.completed')
  })

  test('puts a stream together into what the whole response says', async () => {
    const { output, usage, status } = await stream(reply(PARTS)).responses.stream(REQUEST).finalResponse()
    const expected = await whole(reply(PARTS)).responses.create(REQUEST)
    expect(output).toMatchObject(expected.output)
    expect(usage).toEqual(expected.usage)
    expect(status).toBe('completed')
  })

  test('tells why a response is incomplete', async () => {
    const parts: readonly NeutralPart[] = [{ kind: 'text', text: 'The lighthouse of' }]
    const streamed = await stream(reply(parts, 'length')).responses.stream(REQUEST).finalResponse()
    expect(streamed).toMatchObject({ status: 'incomplete', incomplete_details: { reason: 'max_output_tokens' } })
    expect(streamed.output_text).toBe('The lighthouse of')
    const whole_ = await whole(reply(parts, 'length')).responses.create(REQUEST)
    expect(whole_.output).toMatchObject([{ type: 'message', status: 'incomplete' }])
  })

  test('parses what keeps to a schema', async () => {
    const parts: readonly NeutralPart[] = [{ kind: 'text', text: '{"hour":6}' }]
    const format = {
      type: 'json_schema' as const,
      name: 'tide',
      schema: { type: 'object', properties: { hour: { type: 'number' } }, required: ['hour'] },
    }
    const request = { model: 'harbour-2', input: 'When?', text: { format } }
    const response = await whole(reply(parts, 'stop'), request).responses.parse(request)
    expect(response.output_text).toBe('{"hour":6}')
    expect(response.text).toEqual({ format })
  })

  test('throws in mid-stream, with our words, and keeps what was said', async () => {
    const events = stream(reply(PARTS), responses.failInStream(FAILURE, 'req_1'))
    let text = ''
    const failing = (async () => {
      for await (const event of await events.responses.create({ ...REQUEST, stream: true })) {
        if (event.type === 'response.output_text.delta') text += event.delta
      }
    })()
    await expect(failing).rejects.toThrow(APIError)
    await expect(failing).rejects.toThrow('Limits and budgets cannot be checked at the moment.')
    expect(text).toBe('High tide is at six.')
    await expect(failing).rejects.toMatchObject({ code: 'limiter_unavailable', type: 'server_error' })
  })

  test('reports it through the helper too', async () => {
    const failing = stream(reply(PARTS), responses.failInStream(FAILURE, 'req_1'))
    await expect(failing.responses.stream(REQUEST).finalResponse()).rejects.toMatchObject({
      code: 'limiter_unavailable',
    })
  })

  test('throws its own error class for an error response', async () => {
    const gaps = [{ field: 'previous_response_id', reason: 'this model has no such setting' }]
    const { status, headers, body } = responses.fail({ kind: 'unsupported', model: 'harbour-2', gaps }, 'req_1')
    const failing = client(JSON.stringify(body), 'application/json', status, headers).responses.create(REQUEST)
    await expect(failing).rejects.toThrow(OpenAI.BadRequestError)
    await expect(failing).rejects.toMatchObject({ param: 'previous_response_id', code: 'unsupported_parameter' })
  })

  test('reads the stream that a reply in one piece is replayed as', async () => {
    const writer = responses.writer({ ...CONTEXT, request: REQUEST })
    const text = unfold(reply(PARTS)).map((event) => writer.push(event))
    const replay = client(text.join('') + writer.end(), 'text/event-stream')
    expect((await replay.responses.stream(REQUEST).finalResponse()).output_text).toBe('High tide is at six.')
  })

  test('reads probabilities of tokens', async () => {
    const tokens = [{ token: 'six', logprob: -0.1, bytes: [115, 105, 120], top_logprobs: [] }]
    const said: NeutralReply = {
      ...reply([{ kind: 'text', text: 'six' }], 'stop'),
      choices: [{ parts: [{ kind: 'text', text: 'six' }], finish: 'stop', logprobs: tokens }],
    }
    for (const { output } of [
      await whole(said).responses.create(REQUEST),
      await stream(said).responses.stream(REQUEST).finalResponse(),
    ]) {
      expect(output).toMatchObject([{ content: [{ text: 'six', logprobs: tokens }] }])
    }
  })
})
