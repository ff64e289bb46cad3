// What errors mean, case by case: shapes and statuses that are told apart by more than one field.
import { describe, expect, test } from 'vitest'
import { readErrorBody, readErrorResponse } from '../../src/dialects/failures/provider-error.ts'
import { readDuration, readWait, retryAfterMs } from '../../src/dialects/failures/retry-hint.ts'

const NOW_MS = Date.UTC(2026, 0, 1)
const NO_HEADERS = { get: () => null }

function headers(values: Readonly<Record<string, string>>): { get(name: string): string | null } {
  return { get: (name) => values[name.toLowerCase()] ?? null }
}

describe('classes of errors', () => {
  test.each([
    [400, { error: { message: 'API key not valid.', code: 400, status: 'INVALID_ARGUMENT' } }, 'credential'],
    [
      400,
      { error: { message: 'prompt is too long: 210000 tokens > 200000 maximum', type: 'invalid_request_error' } },
      'client',
    ],
    [
      400,
      { object: 'error', message: 'maximum context length is 131072', type: 'BadRequestError', code: 400 },
      'client',
    ],
    [402, 'Insufficient Balance', 'credential'],
    [
      403,
      { error: { message: 'flagged', code: 403, metadata: { reasons: ['violence'], flagged_input: 'x' } } },
      'client',
    ],
    [404, { error: 'model not found' }, 'client'],
    [408, {}, 'timeout'],
    [413, { error: { message: 'Request too large for model', type: 'tokens', code: 'rate_limit_exceeded' } }, 'client'],
    [
      422,
      { detail: [{ type: 'extra_forbidden', loc: ['body', 'store'], msg: 'Extra inputs are not permitted' }] },
      'client',
    ],
    [
      429,
      { error: { message: 'You exceeded your current quota', type: 'insufficient_quota', code: 'insufficient_quota' } },
      'credential',
    ],
    [
      429,
      {
        error: { message: 'Request too large for gpt on tokens per min', type: 'tokens', code: 'rate_limit_exceeded' },
      },
      'client',
    ],
    [
      429,
      { object: 'error', message: 'Service tier capacity exceeded for this model.', type: 'invalid_request_error' },
      'throttled',
    ],
    [500, { type: 'error', error: { type: 'api_error', message: 'Overloaded' } }, 'overloaded'],
    [500, '', 'server'],
    [502, '<html>', 'server'],
    [503, { error: { code: 503, message: 'The model is overloaded.', status: 'UNAVAILABLE' } }, 'overloaded'],
    [529, { type: 'error', error: { type: 'overloaded_error', message: 'Overloaded' } }, 'overloaded'],
  ])('%i %j is %s', (status, body, expected) => {
    const text = typeof body === 'string' ? body : JSON.stringify(body)
    expect(readErrorResponse(status, NO_HEADERS, text, NOW_MS)).toMatchObject({ class: expected, status })
  })

  test.each([
    [{ error: { code: 502, message: 'Upstream error' }, user_id: 'u' }, 'server', 502],
    [{ error: { code: 429, message: 'Provider returned error' } }, 'throttled', 429],
    [{ error: { message: 'The server had an error', type: 'server_error', code: null } }, 'server', 0],
    [{ type: 'error', error: { type: 'overloaded_error', message: 'Overloaded' } }, 'overloaded', 0],
    [{ error: { message: 'failed', code: 'tool_use_failed', status_code: 400 } }, 'client', 400],
    [{ error: { message: 'filtered', code: 'content_filter', status: 400 } }, 'client', 400],
    ['anything', 'server', 0],
  ])('inside a stream, %j is %s', (body, expected, status) => {
    expect(readErrorBody(body)).toMatchObject({ class: expected, status })
  })
})

describe('messages of errors', () => {
  test.each([
    [{ message: 'flat' }, 'flat'],
    [{ error: 'string' }, 'string'],
    [{ detail: 'why' }, 'why'],
    [{ detail: [{ loc: ['body', 'store'], msg: 'no' }] }, 'body.store: no'],
    [{ object: 'error', message: { detail: [{ loc: ['body', 'n'], msg: 'no' }] } }, 'body.n: no'],
    [{ object: 'Error', message: [{ loc: ['body', 'tools'], msg: 'no' }] }, 'body.tools: no'],
    [[{ error: { message: 'in a list' } }], 'in a list'],
    [
      { error: { message: 'Provider returned error', metadata: { raw: '{"error":{"message":"inner"}}' } } },
      'Provider returned error: inner',
    ],
  ])('%j says %s', (body, message) => {
    expect(readErrorResponse(400, NO_HEADERS, JSON.stringify(body), NOW_MS).message).toBe(message)
  })

  test('carry no secret, no account and no novel', () => {
    const body = {
      error: { message: `Key sk-proj-a1b2c3d4e5f6g7 of organization org-Abc123Def456 ${'x'.repeat(5000)}` },
    }
    const { message } = readErrorResponse(400, NO_HEADERS, JSON.stringify(body), NOW_MS)
    expect(message).toMatch(/^Key \[redacted\] of organization org-\[redacted\] x+…$/)
    expect(message.length).toBeLessThan(1100)
  })

  test('keep ordinary words', () => {
    const message = 'Unknown key-value_separator in token-count of user_preferences'
    expect(readErrorResponse(400, NO_HEADERS, JSON.stringify({ message }), NOW_MS).message).toBe(message)
  })
})

describe('waits', () => {
  test.each([
    ['2', 2000],
    ['0.5', 500],
    ['25m54.826s', 1_554_826],
    ['6ms', 6],
    ['1h2m', 3_720_000],
    ['2026-01-01T00:00:10Z', 10_000],
    ['Thu, 01 Jan 2026 00:00:30 GMT', 30_000],
    [String(NOW_MS + 7000), 7000],
    [String((NOW_MS + 9000) / 1000), 9000],
    ['999999999', 86_400_000],
    ['0', null],
    ['2025-01-01T00:00:10Z', null],
    ['soon', null],
    ['', null],
  ])('%s is %s ms', (text, expected) => {
    expect(readWait(text, NOW_MS)).toBe(expected)
  })

  test('a duration is not read into other words', () => {
    expect(readDuration('5 apples')).toBeNull()
    expect(readDuration('')).toBeNull()
  })

  test.each([
    [{ 'retry-after-ms': '0', 'retry-after': '1' }, {}, '', 1000],
    [{ 'retry-after-ms': '250', 'retry-after': '1' }, {}, '', 250],
    [{}, { error: { details: [{ retryDelay: '48s' }] } }, '', 48_000],
    [{}, {}, 'Please try again in 9m38.016s. Visit', 578_016],
    [{}, {}, 'Please try again in 174ms. Visit', 174],
    [{}, {}, 'Please retry in 48.9s.', 48_900],
    [{}, {}, 'retry after 3 seconds', 3000],
    [{ 'x-ratelimit-remaining': '0', 'x-ratelimit-reset': String(NOW_MS + 5000) }, {}, '', 5000],
    [{ 'x-ratelimit-remaining-tokens': '0', 'x-ratelimit-reset-tokens': '26ms' }, {}, '', 26],
    [{ 'x-ratelimit-remaining-tokens': '5', 'x-ratelimit-reset-tokens': '26ms' }, {}, '', null],
    [
      { 'anthropic-ratelimit-tokens-remaining': '0', 'anthropic-ratelimit-tokens-reset': '2026-01-01T00:00:03Z' },
      {},
      '',
      3000,
    ],
    [{}, { error: { metadata: { headers: { 'X-RateLimit-Reset': String(NOW_MS + 4000) } } } }, '', 4000],
  ])('%j, %j, "%s" asks for %s ms', (values, body, message, expected) => {
    expect(retryAfterMs(headers(values), body, message, NOW_MS)).toBe(expected)
  })

  test('only what may be tried again has a wait', () => {
    const wait = headers({ 'retry-after': '3' })
    expect(readErrorResponse(400, wait, '{}', NOW_MS).retryAfterMs).toBeNull()
    expect(readErrorResponse(401, wait, '{}', NOW_MS).retryAfterMs).toBeNull()
    expect(readErrorResponse(429, wait, '{}', NOW_MS).retryAfterMs).toBe(3000)
    expect(readErrorResponse(503, wait, '{}', NOW_MS).retryAfterMs).toBe(3000)
  })
})
