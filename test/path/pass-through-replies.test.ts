// What becomes of the reply to a passed-through request: how long it may become, what is read of it, and what answers that are
// neither a reply nor a failure mean.
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import type { DialectName, Target } from '../../src/core/directory.ts'
import { completionTokens } from '../../src/core/money/usage.ts'
import { MESSAGES, outcome, passingWorld as world } from '../support/pass-through-world.ts'
import { type PathWorld, expectSettled, holdTime } from '../support/path-world.ts'
import { contentEvent, endEvents } from '../support/raw-provider.ts'
import { says, streamed } from '../support/scripted-provider.ts'

beforeEach(holdTime)
afterEach(() => {
  vi.useRealTimers()
})

describe('the bound of a reply', () => {
  const limited = (dialect: DialectName, fields: Partial<Target> = {}): PathWorld => {
    const to = world(dialect, {}, fields)
    to.limitsMoney = true
    return to
  }
  const reserved = (to: PathWorld): number | undefined => to.admitted[0]?.amounts.outputTokens

  test.each([
    ['openai-chat', '/v1/chat/completions', { max_completion_tokens: 100 }, { max_tokens: 7 }, 7],
    [
      'openai-chat',
      '/v1/chat/completions',
      { max_completion_tokens: 100 },
      { max_completion_tokens: 5, max_tokens: 9 },
      9,
    ],
    ['openai-chat', '/v1/responses', { max_output_tokens: 100 }, { max_output_tokens: 7 }, 7],
    ['openai-chat', '/v1/completions', { max_tokens: 100 }, { max_tokens: 7, n: 3, prompt: ['a', 'b'] }, 42],
    ['anthropic-messages', '/v1/messages', { max_tokens: 100 }, { max_tokens: 7 }, 7],
    [
      'gemini',
      '/v1beta/models/m:generateContent',
      { generationConfig: { maxOutputTokens: 100 } },
      { generationConfig: { maxOutputTokens: 7, topK: 1 } },
      7,
    ],
    [
      'gemini',
      '/v1beta/models/m:generateContent',
      { generationConfig: { maxOutputTokens: 100 } },
      { generation_config: { max_output_tokens: 7, candidate_count: 2 } },
      14,
    ],
    [
      'bedrock-converse',
      '/model/m/converse',
      { inferenceConfig: { maxTokens: 100 } },
      { inferenceConfig: { maxTokens: 7 } },
      7,
    ],
    ['cohere', '/v2/chat', { max_tokens: 100 }, { max_tokens: 7 }, 7],
    ['ollama', '/api/chat', { options: { num_predict: 100 } }, { options: { num_predict: 7 } }, 7],
  ] as const)(
    'is set under a limit, and the client own is reserved: %s %s',
    async (dialect, path, set, own, tokens) => {
      const without = limited(dialect)
      await outcome(without, `/t${path}`, '{"model":"m",  "x":[1, 2]}')
      const text = without.calls[0]?.text ?? ''
      expect(JSON.parse(text)).toEqual({ model: 'm', x: [1, 2], ...set })
      // Everything else stays to the byte.
      expect(text).toContain('"model":"m",  "x":[1, 2]}')
      expect(reserved(without)).toBe(100)
      const given = limited(dialect)
      const body = JSON.stringify({ model: 'm', ...own })
      await outcome(given, `/t${path}`, body)
      expect(given.calls[0]?.text).toBe(body)
      expect(reserved(given)).toBe(tokens)
      expect(given.admitted[0]?.amounts.nanoUsd).toBeGreaterThanOrEqual(tokens * 2000)
      const free = world(dialect)
      await outcome(free, `/t${path}`, '{"model":"m"}')
      expect(free.calls[0]?.text).toBe('{"model":"m"}')
    },
  )

  test.each([
    ['openai-chat', '/v1/chat/completions', { max_tokens: -1 }, { max_tokens: 100 }],
    ['openai-chat', '/v1/chat/completions', { max_tokens: '9' }, { max_tokens: 100 }],
    [
      'openai-chat',
      '/v1/chat/completions',
      { max_output_tokens: 1 },
      { max_output_tokens: 1, max_completion_tokens: 100 },
    ],
    ['ollama', '/api/chat', { options: { num_predict: -1, seed: 1 } }, { options: { num_predict: 100, seed: 1 } }],
    [
      'gemini',
      '/v1beta/models/m:generateContent',
      { generationConfig: { maxOutputTokens: 0 } },
      { generationConfig: { maxOutputTokens: 100 } },
    ],
  ] as const)('is not one that the wire does not know: %s %s %j', async (dialect, path, given, sent) => {
    const to = limited(dialect)
    await outcome(to, `/t${path}`, { model: 'm', ...given })
    expect(JSON.parse(to.calls[0]?.text ?? '')).toEqual({ model: 'm', ...sent })
    expect(reserved(to)).toBe(100)
  })

  test('has the name that the provider knows', async () => {
    const to = limited('openai-chat', { quirks: ['max-tokens'] })
    await outcome(to, '/t/v1/chat/completions', { model: 'm' })
    expect(JSON.parse(to.calls[0]?.text ?? '')).toEqual({ model: 'm', max_tokens: 100 })
  })

  test.each([
    ['what the catalogue says', 'anthropic.claude-3-5-sonnet-20240620-v1:0', 8_192],
    ['what the target says', 'nobody.knows-v1', 100],
  ])('is, where it can not be set, %s', async (_, model, tokens) => {
    const to = limited('bedrock-converse', { model })
    await outcome(to, `/t/model/${encodeURIComponent(model)}/invoke`, { inputText: 'x' })
    expect([reserved(to), to.calls[0]?.text]).toEqual([tokens, '{"inputText":"x"}'])
  })

  test('is none for what writes nothing', async () => {
    const to = limited('openai-chat')
    to.upstream = () => Response.json({ data: [], usage: { prompt_tokens: 7, total_tokens: 7 } })
    await outcome(to, '/t/v1/embeddings', { model: 'm', input: 'x' })
    expect([reserved(to), to.calls[0]?.text]).toEqual([0, '{"model":"m","input":"x"}'])
    expect(expectSettled(to)).toMatchObject([
      { isEstimated: false, usage: { input: 7, output: 0 }, costNanoUsd: 7_000 },
    ])
  })
})

describe('a stream that becomes longer than its bound', () => {
  const long = (to: PathWorld): void => {
    // Tokens of this model are known to be four characters long: a quarter more is put down to them, all else to the provider.
    to.calibration.learnReply('simulated/m', 400, 100)
    const pieces = Array.from({ length: 50 }, () => contentEvent('x'.repeat(400)))
    to.upstream = (call) => streamed(call, [...pieces, endEvents(10, 5_000)])
  }
  const ask = { model: 'm', messages: MESSAGES, stream: true, stream_options: { include_usage: true }, max_tokens: 150 }

  test('ends when the limits have no more for it, and is charged for what was seen', async () => {
    const to = world('openai-chat')
    to.limitsMoney = true
    to.mayExtend = () => false
    long(to)
    const { text, status } = await outcome(to, '/t/v1/chat/completions', ask)
    expect(status).toBe(200)
    expect(text).not.toContain('[DONE]')
    expect(text).toContain('budget_exhausted')
    const [event] = expectSettled(to)
    expect(event).toMatchObject({ ending: 'cut-by-limit', isEstimated: true })
    // One piece of a hundred tokens above the bound.
    expect(event === undefined ? 0 : completionTokens(event.usage)).toBe(200)
    // Nothing is wrong with the target.
    expect(to.permits[0]?.heard).toEqual(['client'])
  })

  test.each(['at once', 'after a call'])('goes on as long as there is more, %s', async (when) => {
    const to = world('openai-chat')
    to.limitsMoney = true
    let extended = 0
    to.mayExtend = ({ nanoUsd }) => {
      extended += nanoUsd / 2_000
      return when === 'at once' ? true : Promise.resolve(true)
    }
    long(to)
    const { text } = await outcome(to, '/t/v1/chat/completions', ask)
    expect(text).toContain('[DONE]')
    expect(extended).toBeGreaterThanOrEqual(5_000 / 1.25 - 150)
    expect(expectSettled(to)).toMatchObject([{ ending: 'finished', usage: { output: 5_000 }, isEstimated: false }])
  })

  test('is nobody business without a limit', async () => {
    const to = world('openai-chat')
    to.mayExtend = () => false
    long(to)
    expect((await outcome(to, '/t/v1/chat/completions', ask)).text).toContain('[DONE]')
  })
})

test('a stream under a limit tells its usage to the gateway, and to the client only when it asked', async () => {
  const to = world('openai-chat')
  to.limitsMoney = true
  to.upstream = (call) => says(call)
  const { text } = await outcome(to, '/t/v1/chat/completions', { model: 'm', messages: MESSAGES, stream: true })
  expect(JSON.parse(to.calls[0]?.text ?? '')).toMatchObject({ stream_options: { include_usage: true } })
  expect(text).toContain('Hello.')
  expect(text).toContain('[DONE]')
  expect(text).not.toContain('prompt_tokens')
  expect(expectSettled(to)).toMatchObject([{ isEstimated: false, usage: { input: 10, output: 5 } }])
})

describe('usage is read where a reply has it', () => {
  const VECTOR = Array.from({ length: 80_000 }, (_, index) => index / 7)
  test.each([
    ['openai-chat', '/v1/embeddings', { data: [{ embedding: VECTOR }], usage: { prompt_tokens: 9 } }, {}, 9, 0],
    [
      'gemini',
      '/v1beta/models/m:embedContent',
      { embedding: { values: VECTOR }, usageMetadata: { promptTokenCount: 9 } },
      {},
      9,
      0,
    ],
    ['cohere', '/v2/embed', { embeddings: { float: [VECTOR] }, meta: { billed_units: { input_tokens: 9 } } }, {}, 9, 0],
    ['ollama', '/api/embed', { embeddings: [VECTOR], prompt_eval_count: 9 }, {}, 9, 0],
    ['bedrock-converse', '/model/m/invoke', { embedding: VECTOR, inputTextTokenCount: 9 }, {}, 9, 0],
    [
      'bedrock-converse',
      '/model/m/invoke',
      { odd: 'x' },
      { 'x-amzn-bedrock-input-token-count': '9', 'x-amzn-bedrock-output-token-count': '4' },
      9,
      4,
    ],
    [
      'bedrock-converse',
      '/model/m/invoke',
      { generation: 'x', prompt_token_count: 9, generation_token_count: 4 },
      {},
      9,
      4,
    ],
    ['cohere', '/v1/chat', { text: 'x', meta: { tokens: { input_tokens: 9, output_tokens: 4 } } }, {}, 9, 4],
  ] as const)('%s %s', async (dialect, path, reply, headers, input, output) => {
    const to = world(dialect)
    to.upstream = () => Response.json(reply, { headers })
    await outcome(to, `/t${path}`, { model: 'm' })
    expect(expectSettled(to)).toMatchObject([{ isEstimated: false, usage: { input, output } }])
  })

  test('and what was written and not counted is estimated from what was seen', async () => {
    const to = world('openai-chat')
    const choices = [{ index: 0, message: { role: 'assistant', content: 'x'.repeat(400) }, finish_reason: 'stop' }]
    to.upstream = () => Response.json({ id: 'c', object: 'chat.completion', created: 1, model: 'm', choices })
    await outcome(to, '/t/v1/chat/completions', { model: 'm', messages: MESSAGES })
    expect(expectSettled(to)).toMatchObject([{ isEstimated: true, usage: { output: 100 } }])
    const unknown = world('bedrock-converse')
    unknown.upstream = () => Response.json({ odd: 'x'.repeat(390) })
    await outcome(unknown, '/t/model/m/invoke', {})
    expect(expectSettled(unknown)).toMatchObject([{ isEstimated: true, usage: { output: 100 } }])
  })
})

describe('an answer that is no reply', () => {
  const owner = (): PathWorld => world('openai-chat', { passThrough: 'all' })

  test.each([204, 205, 304])('is handed through as it is, and speaks for the target: %i', async (status) => {
    const to = owner()
    to.upstream = () => new Response(null, { status, headers: { etag: '"1"', 'cache-control': 'max-age=5' } })
    const { text, headers, ...result } = await outcome(to, '/t/v1/files/f', null, {
      method: 'GET',
      headers: { 'if-none-match': '"1"' },
    })
    expect([result.status, text, headers.get('etag'), headers.get('cache-control')]).toEqual([
      status,
      '',
      '"1"',
      'max-age=5',
    ])
    expect(to.calls[0]?.headers).toMatchObject({ 'if-none-match': '"1"' })
    expect(to.permits).toMatchObject([{ targetId: 't~other', heard: [null] }])
    expect(expectSettled(to)).toMatchObject([{ status, ending: 'finished', failure: null }])
  })

  test.each([
    [301, 'https://api.test/v1/files/g?key=secret&page=2', '/t/v1/files/g?page=2'],
    [302, 'https://elsewhere.test/signed?token=1', 'https://elsewhere.test/signed?token=1'],
    [303, '/v1/files/g', '/t/v1/files/g'],
    [307, 'g', '/t/v1/files/g'],
    [308, '//api.test/v1/x', '/t/v1/x'],
  ])('is a redirect that the client follows by way of the gateway: %i to %s', async (status, location, told) => {
    const to = owner()
    to.upstream = () => new Response(null, { status, headers: { location } })
    const { headers, ...result } = await outcome(to, '/t/v1/files/f', null, { method: 'GET' })
    expect([result.status, headers.get('location')]).toEqual([status, told])
    expect(to.permits).toMatchObject([{ heard: [null] }])
    expect(expectSettled(to)).toMatchObject([{ status, ending: 'finished', failure: null, costNanoUsd: 0 }])
  })

  test('costs nothing when a model was asked', async () => {
    const to = world('openai-chat')
    to.upstream = () => new Response(null, { status: 307, headers: { location: 'https://elsewhere.test/v1' } })
    await outcome(to, '/t/v1/chat/completions', { model: 'm', messages: MESSAGES })
    expect(expectSettled(to)).toMatchObject([{ status: 307, costNanoUsd: 0, usage: { input: 0 } }])
  })

  test.each([400, 404, 409, 410, 412, 413, 415, 416, 422])('is the client own mistake: %i', async (status) => {
    const to = owner()
    to.upstream = () => Response.json({ error: { message: 'No.' } }, { status })
    const { text, ...result } = await outcome(to, '/t/v1/files/f', null, { method: 'DELETE' })
    expect([result.status, JSON.parse(text)]).toEqual([status, { error: { message: 'No.' } }])
    expect(to.permits[0]?.heard.every((heard) => heard === 'client' || heard === 'incapable')).toBe(true)
  })

  test('is a part of a file, with its place', async () => {
    const to = owner()
    to.upstream = () => new Response('abc', { status: 206, headers: { 'content-range': 'bytes 0-2/9' } })
    const { text, headers, status } = await outcome(to, '/t/v1/files/f/content', null, {
      method: 'GET',
      headers: { range: 'bytes=0-2' },
    })
    expect([status, text, headers.get('content-range')]).toEqual([206, 'abc', 'bytes 0-2/9'])
    expect(to.calls[0]?.headers).toMatchObject({ range: 'bytes=0-2' })
  })
})
