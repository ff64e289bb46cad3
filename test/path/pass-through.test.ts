// Passed-through requests on the request path: what of a provider's own API is a caller's to use, how long a reply may become, and
// what becomes of answers that are neither a reply nor a failure.
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import type { Caller, DialectName, Target } from '../../src/core/directory.ts'
import { passThrough } from '../../src/data-plane/pass-through.ts'
import { completionTokens } from '../../src/core/usage.ts'
import { type PathWorld, callerOf, ended, expectSettled, holdTime, pathWorld } from '../support/path-world.ts'
import { contentEvent, endEvents } from '../support/raw-provider.ts'
import { says, streamed } from '../support/scripted-provider.ts'
import { someTarget } from '../support/targets.ts'

beforeEach(holdTime)
afterEach(() => {
  vi.useRealTimers()
})

const ADDRESSES: Partial<Record<DialectName, string>> = {
  'openai-chat': 'https://api.test/v1',
  'anthropic-messages': 'https://api.test/v1',
  gemini: 'https://api.test/v1beta',
  'bedrock-converse': 'https://bedrock.test',
  cohere: 'https://api.test/v2',
  ollama: 'https://api.test/api',
}
const PRICE = {
  input: 1_000_000,
  cacheRead: 0,
  cacheWrite: 0,
  cacheWriteLong: 0,
  output: 2_000_000,
  reasoning: 0,
  audioInput: 0,
  audioOutput: 0,
}
const MESSAGES = [{ role: 'user', content: 'Hello?' }]

function world(
  dialect: DialectName = 'openai-chat',
  caller: Partial<Caller> = {},
  fields: Partial<Target> = {},
): PathWorld {
  const target = someTarget('t', {
    dialect,
    baseUrl: ADDRESSES[dialect] ?? '',
    model: 'm',
    price: PRICE,
    maxOutputTokens: 100,
    ...fields,
  })
  const made = pathWorld([target])
  made.caller = { ...callerOf(made), ...caller }
  made.upstream = () => Response.json({ fine: true })
  return made
}

interface Sent {
  readonly method?: string
  readonly headers?: Readonly<Record<string, string>>
}

async function send(to: PathWorld, path: string, body: object | string | null, sent: Sent = {}): Promise<Response> {
  const { method = 'POST', headers = {} } = sent
  const text = body === null || typeof body === 'string' ? body : JSON.stringify(body)
  const key = { authorization: 'Bearer tg_test_of_the_client' }
  const type = text === null ? {} : { 'content-type': 'application/json' }
  const asked = new Request(`https://gateway.test${path}`, {
    method,
    body: text,
    headers: { ...key, ...type, ...headers },
  })
  return to.serve(async (services, later) => (await passThrough(asked, services, later)) ?? Response.error())
}

/** Status, body as far as it is JSON, and the calls that the provider got. */
async function outcome(
  to: PathWorld,
  ...sent: Parameters<typeof send> extends [PathWorld, ...infer Rest] ? Rest : never
) {
  const response = await send(to, ...sent)
  const text = await ended(to, response)
  return { status: response.status, headers: response.headers, text, calls: to.calls.length }
}

describe('what is kept at a provider', () => {
  const OPERATIONS: readonly (readonly [DialectName, string])[] = [
    ...[
      'GET /v1/files',
      'GET /v1/files/f1/content',
      'POST /v1/files',
      'DELETE /v1/files/f1',
      'POST /v1/uploads',
      'POST /v1/batches',
      'GET /v1/batches/b1',
      'POST /v1/fine_tuning/jobs',
      'GET /v1/models',
      'GET /v1/models/m',
      'DELETE /v1/models/ft:m',
      'POST /v1/assistants',
      'POST /v1/threads',
      'POST /v1/threads/t/messages',
      'POST /v1/threads/t/runs',
      'POST /v1/vector_stores',
      'GET /v1/responses/r1',
      'DELETE /v1/responses/r1',
      'POST /v1/responses/r1/cancel',
      'GET /v1/chat/completions',
      'POST /v1/chat/completions/c1',
      'POST /v1/conversations',
      'POST /v1/containers',
      'PUT /v1/chat/completions',
      // In disguise.
      'POST /v1/chat/completions/',
      'POST /v1//chat/completions',
      'POST /v1/%63hat/completions',
      'POST /files/v1/chat/completions',
      'POST /v1/files%2Fchat/completions',
      'POST /v1/files;/chat/completions',
    ].map((operation) => ['openai-chat', operation] as const),
    ...['POST /v1/messages/batches', 'GET /v1/messages/batches/b/results', 'GET /v1/files', 'GET /v1/models'].map(
      (operation) => ['anthropic-messages', operation] as const,
    ),
    ...[
      'GET /v1beta/models',
      'GET /v1beta/models/m',
      'GET /v1beta/files',
      'DELETE /v1beta/files/f',
      'POST /upload/v1beta/files',
      'POST /v1beta/cachedContents',
      'PATCH /v1beta/cachedContents/c',
      'POST /v1beta/tunedModels',
      'DELETE /v1beta/tunedModels/m',
      'POST /v1beta/tunedModels/m:generateContent',
      'POST /v1beta/models/m:batchGenerateContent',
      'POST /v1beta/models/m:asyncBatchEmbedContent',
      'POST /v1beta/models/m:predictLongRunning',
      'POST /v1beta/models/m/operations/o:cancel',
      'GET /v1beta/models/m:generateContent',
      'POST /v1beta/fileSearchStores',
      'POST /v1beta/corpora',
    ].map((operation) => ['gemini', operation] as const),
    ...['POST /async-invoke', 'GET /async-invoke', 'POST /model-invocation-job', 'GET /guardrails'].map(
      (operation) => ['bedrock-converse', operation] as const,
    ),
    ...['POST /api/pull', 'DELETE /api/delete', 'POST /api/create', 'GET /api/tags'].map(
      (operation) => ['ollama', operation] as const,
    ),
    ['cohere', 'POST /v1/datasets'],
    ['cohere', 'GET /v2/models'],
  ]

  test.each(OPERATIONS)('is nobody else to touch, at %s: %s', async (dialect, operation) => {
    const [method = '', path = ''] = operation.split(' ')
    const body = method === 'POST' || method === 'PUT' ? { model: 'm', messages: MESSAGES } : null
    const usual = await outcome(world(dialect), `/t${path}`, body, { method })
    expect([usual.status, usual.calls]).toEqual([403, 0])
    expect(usual.text).toContain('`pass_through`')
    expect(usual.text).toContain('`all`')
    const owner = await outcome(world(dialect, { passThrough: 'all' }), `/t${path}`, body, { method })
    expect([owner.status, owner.calls]).toEqual([200, 1])
    // A key for some models has no business there, whatever its tenant has.
    const narrow = await outcome(world(dialect, { passThrough: 'all', allowedModels: ['m'] }), `/t${path}`, body, {
      method,
    })
    expect([narrow.status, narrow.calls]).toEqual([403, 0])
    const off = await outcome(world(dialect, { passThrough: 'off' }), `/t${path}`, body, { method })
    expect([off.status, off.calls]).toEqual([403, 0])
  })

  test('is not asked for by another method than the one that was allowed', async () => {
    const to = world('openai-chat')
    const headers = { 'x-http-method-override': 'DELETE', 'x-http-method': 'DELETE', 'x-method-override': 'DELETE' }
    await outcome(to, '/t/v1/chat/completions', { model: 'm', messages: MESSAGES }, { headers })
    expect(Object.keys(to.calls[0]?.headers ?? {}).filter((name) => name.includes('method'))).toEqual([])
  })

  test.each([
    ['an earlier reply', '/v1/responses', { previous_response_id: 'resp_of_another' }, 'previous_response_id'],
    ['a conversation', '/v1/responses', { conversation: 'conv_1' }, 'conversation'],
    ['a stored prompt', '/v1/responses', { prompt: { id: 'pmpt_1' } }, 'prompt'],
    ['a reply to be fetched later', '/v1/responses', { background: true }, 'background'],
    [
      'a file',
      '/v1/responses',
      { input: [{ role: 'user', content: [{ type: 'input_file', file_id: 'file-1' }] }] },
      'input[0].content[0].file_id',
    ],
    [
      'a file',
      '/v1/chat/completions',
      { messages: [{ role: 'user', content: [{ type: 'file', file: { file_id: 'file-1' } }] }] },
      'messages[0].content[0].file.file_id',
    ],
    [
      'a store',
      '/v1/responses',
      { tools: [{ type: 'file_search', vector_store_ids: ['vs_1'] }] },
      'tools[0].vector_store_ids',
    ],
    [
      'a sandbox',
      '/v1/responses',
      { tools: [{ type: 'code_interpreter', container: 'cntr_1' }] },
      'tools[0].container',
    ],
    ['a file', '/v1/messages', { messages: [{ content: [{ source: { type: 'file', file_id: 'f' } }] }] }, 'file_id'],
  ])('is not read by naming %s in a call of %s', async (_, path, members, where) => {
    const to = world('openai-chat')
    const refused = await outcome(to, `/t${path}`, { model: 'm', ...members })
    expect([refused.status, refused.calls]).toEqual([403, 0])
    expect(refused.text).toContain(where)
    const owner = world('openai-chat', { passThrough: 'all' })
    expect((await outcome(owner, `/t${path}`, { model: 'm', ...members })).calls).toBe(1)
  })

  test.each([
    ['gemini', '/v1beta/models/m:generateContent', { cachedContent: 'cachedContents/c' }, false],
    [
      'gemini',
      '/v1beta/models/m:generateContent',
      fileData('https://generativelanguage.googleapis.com/v1beta/files/f'),
      false,
    ],
    ['gemini', '/v1beta/models/m:generateContent', fileData('gs://bucket/f'), false],
    ['gemini', '/v1beta/models/m:generateContent', fileData('https://www.youtube.com/watch?v=1'), true],
    [
      'bedrock-converse',
      '/model/m/converse',
      { messages: [{ content: [{ document: { source: { s3Location: { uri: 's3://b/k' } } } }] }] },
      false,
    ],
    // What the client's own tools say is the client's.
    [
      'gemini',
      '/v1beta/models/m:generateContent',
      { contents: [{ parts: [{ functionCall: { name: 'f', args: { file_id: 'mine' } } }] }] },
      true,
    ],
    [
      'openai-chat',
      '/v1/chat/completions',
      { tools: [{ function: { parameters: { properties: { file_id: { type: 'string' } } } } }] },
      true,
    ],
    [
      'anthropic-messages',
      '/v1/messages',
      { messages: [{ content: [{ type: 'tool_use', input: { file_id: 'mine' } }] }] },
      true,
    ],
  ] as const)('is known from what is public or the client own (%s %s)', async (dialect, path, members, isPassed) => {
    const result = await outcome(world(dialect), `/t${path}`, { model: 'm', ...members })
    expect([result.status, result.calls]).toEqual(isPassed ? [200, 1] : [403, 0])
  })
})

function fileData(fileUri: string): object {
  return { contents: [{ parts: [{ fileData: { fileUri } }] }] }
}

describe('a call that runs a model is passed on', () => {
  test.each([
    ['openai-chat', '/chat/completions'],
    ['openai-chat', '/v1/chat/completions'],
    ['openai-chat', '/v1/responses'],
    ['openai-chat', '/v1/completions'],
    ['openai-chat', '/v1/embeddings'],
    ['openai-chat', '/v1/images/generations'],
    ['openai-chat', '/v1/audio/speech'],
    ['openai-chat', '/deployments/m/chat/completions'],
    ['anthropic-messages', '/v1/messages'],
    ['anthropic-messages', '/v1/messages/count_tokens'],
    ['gemini', '/v1beta/models/m:generateContent'],
    ['gemini', '/v1/models/m:streamGenerateContent?alt=sse'],
    ['gemini', '/v1beta/models/m:embedContent'],
    ['gemini', '/v1beta/models/m:countTokens'],
    ['gemini', '/v1beta/openai/chat/completions'],
    ['bedrock-converse', '/model/m/converse'],
    ['bedrock-converse', '/model/m/invoke'],
    ['ollama', '/api/chat'],
    ['cohere', '/v2/chat'],
    ['cohere', '/v2/embed'],
  ] as const)('at %s: %s', async (dialect, path) => {
    const to = world(dialect)
    to.upstream = () => new Response('fine')
    expect(await outcome(to, `/t${path}`, { model: 'm' })).toMatchObject({ status: 200, calls: 1 })
    expect(await outcome(world(dialect, { passThrough: 'off' }), `/t${path}`, { model: 'm' })).toMatchObject({
      status: 403,
    })
    // The path's model, or the body's.
    const other = path.includes('/m') && !path.includes('/messages') ? path.replace(/\/m(?=[:/])/, '/other') : path
    const refused = await outcome(world(dialect), `/t${other}`, { model: 'other' })
    expect(refused).toMatchObject({ status: 403, calls: 0 })
    expect(refused.text).toContain('`other`')
  })

  test.each([
    ['names none', {}],
    ['names none in a form', null],
    ['names one that no route leads to', { model: 'other' }],
    ['may go on with one that no route leads to', { model: 'm', models: ['other'] }],
    ['has a tool of one that no route leads to', { model: 'm', tools: [{ type: 'image_generation', model: 'other' }] }],
    ['names another for one of its inputs', { model: 'm', requests: [{ model: 'models/other' }] }],
  ])('but not when it %s', async (_, body) => {
    const type: Record<string, string> = body === null ? { 'content-type': 'multipart/form-data; boundary=b' } : {}
    const sent = body === null ? '--b\r\ncontent-disposition: form-data; name="model"\r\n\r\nm\r\n--b--' : body
    const to = world('openai-chat')
    expect(await outcome(to, '/t/v1/chat/completions', sent, { headers: type })).toMatchObject({
      status: 403,
      calls: 0,
    })
    const owner = world('openai-chat', { passThrough: 'all' })
    expect(await outcome(owner, '/t/v1/chat/completions', sent, { headers: type })).toMatchObject({
      status: 200,
      calls: 1,
    })
  })

  test('by a wildcard target, for the models of its route only', async () => {
    const to = (): PathWorld => world('openai-chat', {}, { model: '*' })
    expect(await outcome(to(), '/t/v1/chat/completions', { model: 'asked' })).toMatchObject({ status: 200 })
    expect(await outcome(to(), '/t/v1/chat/completions', { model: 'other' })).toMatchObject({ status: 403 })
  })

  test('with one model, however often the body names one', async () => {
    const to = world('openai-chat')
    await outcome(to, '/t/v1/chat/completions', '{"model":"other","messages":[],"model":"m"}')
    expect(to.calls[0]?.text).toBe('{"model":"m","messages":[]}')
    const refused = await outcome(world('openai-chat'), '/t/v1/chat/completions', '{"model":"m","mod\\u0065l":"other"}')
    expect(refused).toMatchObject({ status: 403, calls: 0 })
  })

  test.each([
    ['openai-chat', '/v1/files', { error: { code: 'not_passed_through', type: expect.any(String) } }],
    ['anthropic-messages', '/v1/files', { type: 'error', error: { type: 'permission_error' } }],
    ['gemini', '/v1beta/files', { error: { code: 403, status: 'PERMISSION_DENIED' } }],
    ['bedrock-converse', '/async-invoke', { __type: 'AccessDeniedException', message: expect.any(String) }],
    ['cohere', '/v2/models', { message: expect.any(String) }],
    ['ollama', '/api/tags', { error: expect.any(String) }],
  ] as const)('and what is not is refused as %s would', async (dialect, path, shape) => {
    const refused = await outcome(world(dialect), `/t${path}`, null, { method: 'GET' })
    expect([refused.status, JSON.parse(refused.text)]).toMatchObject([403, shape])
  })
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
    expect(text).toContain('output_bound_exceeded')
    const [event] = expectSettled(to)
    expect(event).toMatchObject({ ending: 'provider-cut', isEstimated: true })
    // One piece of a hundred tokens above the bound.
    expect(event === undefined ? 0 : completionTokens(event.usage)).toBe(200)
    // Nothing is wrong with the target.
    expect(to.permits[0]?.heard).toEqual(['client'])
  })

  test.each(['at once', 'after a call'])('goes on as long as there is more, %s', async (when) => {
    const to = world('openai-chat')
    to.limitsMoney = true
    let extended = 0
    to.mayExtend = ({ outputTokens, nanoUsd }) => {
      extended += outputTokens
      expect(nanoUsd).toBe(outputTokens * 2_000)
      return when === 'at once' ? true : Promise.resolve(true)
    }
    long(to)
    const { text } = await outcome(to, '/t/v1/chat/completions', ask)
    expect(text).toContain('[DONE]')
    expect(extended).toBeGreaterThanOrEqual(5_000 - 150)
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
