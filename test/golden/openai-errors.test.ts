// The gateway's failures as the `openai` SDK throws them: its classes, fields and retries are what clients are written
// against.
import OpenAI from 'openai'
import { describe, expect, test } from 'vitest'
import type { Failure, UpstreamClass } from '../../src/core/failure.ts'
import { protocols } from '../support/registries.ts'

const MESSAGES = [{ role: 'user' as const, content: 'Hello' }]

/** What the SDK throws for a failure, and how often it asked. */
async function thrownFor(failure: Failure, maxRetries = 0): Promise<{ error: unknown; calls: number }> {
  const { status, headers, body } = protocols.chat.fail(failure, 'req_1')
  let calls = 0
  const fetch = async (): Promise<Response> => {
    calls += 1
    return Response.json(body, {
      status,
      headers: { ...headers, ...(maxRetries > 0 ? { 'retry-after-ms': '1' } : {}) },
    })
  }
  const client = new OpenAI({ apiKey: 'none', baseURL: 'http://gateway.test/v1', maxRetries, fetch, logLevel: 'off' })
  try {
    await client.chat.completions.create({ model: 'm', messages: MESSAGES })
  } catch (error) {
    return { error, calls }
  }
  throw new Error('nothing was thrown')
}

function upstream(upstreamClass: UpstreamClass, status: number): Failure {
  return {
    kind: 'upstream-failed',
    provider: 'provider',
    upstream: {
      class: upstreamClass,
      status,
      message: 'said so',
      code: 'c',
      type: 't',
      param: 'top_p',
      retryAfterMs: null,
    },
  }
}

describe('the openai SDK throws', () => {
  test.each([
    [
      OpenAI.BadRequestError,
      { kind: 'invalid-request', field: 'n', message: 'wrong' },
      { param: 'n', type: 'invalid_request_error' },
    ],
    [OpenAI.AuthenticationError, { kind: 'unauthenticated', reason: 'unknown' }, { code: 'invalid_api_key' }],
    [OpenAI.NotFoundError, { kind: 'model-not-found', model: 'm' }, { code: 'model_not_found', param: 'model' }],
    [OpenAI.PermissionDeniedError, { kind: 'model-not-allowed', model: 'm' }, { code: 'model_not_allowed' }],
    [
      OpenAI.BadRequestError,
      { kind: 'unsupported', model: 'm', gaps: [{ field: 'seed', reason: 'r' }] },
      { param: 'seed', code: 'unsupported_parameter' },
    ],
    [
      OpenAI.RateLimitError,
      { kind: 'rate-limited', scope: 'key', unit: 'tokens', limitPerMinute: 1, requested: 1, retryAfterMs: 1 },
      { code: 'rate_limit_exceeded' },
    ],
    [
      OpenAI.APIError,
      { kind: 'budget-exhausted', scope: 'key', limitNanoUsd: 1e9, window: 'day', resetsAtMs: 0 },
      { status: 402, code: 'budget_exceeded' },
    ],
    [OpenAI.InternalServerError, { kind: 'internal', requestId: 'req_1' }, { status: 500 }],
    [OpenAI.InternalServerError, upstream('credential', 401), { status: 502, code: 'provider_credential' }],
    [OpenAI.UnprocessableEntityError, upstream('client', 422), { param: 'top_p', code: 'c', type: 't' }],
    [OpenAI.RateLimitError, upstream('throttled', 429), { code: 'rate_limit_exceeded' }],
  ] as const)('%o for %j', async (constructor, failure, fields) => {
    const { error } = await thrownFor(failure)
    expect(error).toBeInstanceOf(constructor)
    expect(error).toMatchObject(fields)
  })

  test.each([
    [2, upstream('overloaded', 503)],
    [2, upstream('connection', 0)],
    [1, upstream('credential', 401)],
    [1, upstream('incapable', 501)],
    [1, upstream('client', 429)],
    [1, { kind: 'rate-limited', scope: 'key', unit: 'tokens', limitPerMinute: 1, requested: 9, retryAfterMs: null }],
    [1, { kind: 'budget-exhausted', scope: 'key', limitNanoUsd: 1, window: 'day', resetsAtMs: 0 }],
  ] as const)('after %i calls, when it may try once more, for %j', async (calls, failure) => {
    expect((await thrownFor(failure, 1)).calls).toBe(calls)
  })

  test('in mid-stream, after what was said', async () => {
    const writer = protocols.chat.writer({ id: 'x', createdSeconds: 1, model: 'm', wantsUsage: false, request: {} })
    const text =
      writer.push({ type: 'part-start', choice: 0, part: 0, start: { kind: 'text' } }) +
      writer.push({ type: 'part-delta', choice: 0, part: 0, text: 'So far' }) +
      protocols.chat.failInStream(upstream('stream', 0), 'req_1')
    const fetch = async (): Promise<Response> =>
      new Response(text, { headers: { 'content-type': 'text/event-stream' } })
    const client = new OpenAI({ apiKey: 'none', baseURL: 'http://gateway.test/v1', fetch, logLevel: 'off' })
    let said = ''
    const read = async (): Promise<void> => {
      const stream = await client.chat.completions.create({ model: 'm', messages: MESSAGES, stream: true })
      for await (const chunk of stream) said += chunk.choices[0]?.delta.content ?? ''
    }
    await expect(read()).rejects.toMatchObject({ code: 'provider_stream_broken', type: 'server_error' })
    expect(said).toBe('So far')
  })
})
