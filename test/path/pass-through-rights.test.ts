// What of a provider's own API is a caller's to use: models, unless the tenant owns the account.
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import type { DialectName } from '../../src/core/directory.ts'
import { routeTable } from '../../src/core/routing/route-table.ts'
import { MESSAGES, outcome, passingWorld as world } from '../support/pass-through-world.ts'
import { type PathWorld, expectSettled, holdTime } from '../support/path-world.ts'

beforeEach(holdTime)
afterEach(() => {
  vi.useRealTimers()
})

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

describe('what else holds for requests holds for those that are passed through', () => {
  const ask = { model: 'm', messages: MESSAGES }

  test('they name their end user where they have to, in the body or by header', async () => {
    const to = (): PathWorld => world('openai-chat', { endUsers: { isLimited: false, isRequired: true } })
    expect(await outcome(to(), '/t/v1/chat/completions', ask)).toMatchObject({ status: 400, calls: 0 })
    expect(await outcome(to(), '/t/v1/chat/completions', { ...ask, user: 'ada' })).toMatchObject({ status: 200 })
    const headers = { 'x-tidegate-user': 'ada' }
    const named = to()
    expect(await outcome(named, '/t/v1/chat/completions', ask, { headers })).toMatchObject({ status: 200 })
    expect(named.calls[0]?.headers).not.toHaveProperty('x-tidegate-user')
    expect(expectSettled(named)).toMatchObject([{ endUser: 'ada' }])
  })

  test.each([
    [{ kind: 'refuse', message: 'Not at night.' }, 403],
    [{ kind: 'exclude', targets: ['t'] }, 403],
    [{ kind: 'require-labels', labels: ['eu'] }, 403],
    [{ kind: 'use', group: { strategy: 'priority', members: [{ target: 'other', weight: 1 }] } }, 403],
    [{ kind: 'use', group: { strategy: 'priority', members: [{ target: 't', weight: 1 }] } }, 200],
    [{ kind: 'exclude', targets: ['other'] }, 200],
  ] as const)('the rules of the route hold: %j', async (action, status) => {
    const to = world('openai-chat')
    const [route] = to.table.models('tenant')
    const [target] = route === undefined ? [] : to.table.targets(route)
    if (route === undefined || target === undefined) throw new Error('no route')
    const when = { text: 'model', in: ['m'] } as const
    to.table = routeTable({
      revision: 2,
      targets: { t: target },
      routes: [{ ...route, rules: [{ name: 'night', when, do: action }] }],
    })
    const result = await outcome(to, '/t/v1/chat/completions', ask)
    expect([result.status, result.calls]).toEqual([status, status === 200 ? 1 : 0])
    expect((await outcome(to, '/t/v1/chat/completions', { ...ask, model: 'n' })).status).toBe(403)
  })
})
