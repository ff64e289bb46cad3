// Where an error body says what it says: each shape that providers have for it, one a row.
import { describe, expect, test } from 'vitest'
import { blameOf } from '../../src/core/failure.ts'
import type { Json } from '../../src/core/json.ts'
import { readErrorBody, readErrorResponse } from '../../src/dialects/failures/provider-error.ts'

const NO_HEADERS = { get: () => null }
const NOW_MS = Date.UTC(2026, 0, 1)

function response(status: number, body: Json, headers: Readonly<Record<string, string>> = {}) {
  return readErrorResponse(status, { get: (name) => headers[name] ?? null }, JSON.stringify(body), NOW_MS)
}

describe('shapes', () => {
  test.each<readonly [Json, object]>([
    [{ error: { message: 'm', type: 't', param: 'p', code: 'c' } }, { message: 'm', type: 't', param: 'p', code: 'c' }],
    [
      { error: 'm', code: 'A sentence' },
      { message: 'm', code: 'A sentence' },
    ],
    [
      { error: 'm', error_type: 'validation' },
      { message: 'm', type: 'validation' },
    ],
    [
      { type: 'error', error: { type: 't', message: 'm' }, request_id: 'r' },
      { message: 'm', type: 't' },
    ],
    [
      { error: { code: 400, message: 'm', status: 'INVALID_ARGUMENT' } },
      { message: 'm', code: '400', type: 'INVALID_ARGUMENT' },
    ],
    [[{ error: { code: 400, message: 'm', status: 'INVALID_ARGUMENT' } }], { message: 'm', type: 'INVALID_ARGUMENT' }],
    [
      { error: { message: 'm', details: [{ reason: 'API_KEY_INVALID' }] } },
      { message: 'm', type: 'API_KEY_INVALID', class: 'credential' },
    ],
    [
      { __type: 'ValidationException', Message: 'm' },
      { message: 'm', type: 'ValidationException' },
    ],
    [{ id: 'x', message: 'm' }, { message: 'm' }],
    [{ detail: 'm' }, { message: 'm' }],
    [
      {
        detail: [
          { loc: ['body', 'store'], msg: 'no' },
          { loc: ['body', 1], msg: 'nor' },
        ],
      },
      { message: 'body.store: no; body.1: nor' },
    ],
    [
      { object: 'error', message: { detail: [{ loc: ['body', 'x'], msg: 'no' }] }, type: 't', code: '1500' },
      { message: 'body.x: no', type: 't', code: '1500' },
    ],
    [
      { object: 'error', message: 'm', type: 'BadRequestError', code: 400 },
      { message: 'm', type: 'BadRequestError', code: '400' },
    ],
    [
      { errors: [{ message: 'm', code: 5007 }], success: false, result: {}, messages: [] },
      { message: 'm', code: '5007' },
    ],
    [
      { error: { message: 'Provider returned error', code: 400, metadata: { raw: '{"error":{"message":"m"}}' } } },
      { message: 'Provider returned error: m' },
    ],
    [
      { error: { message: 'Provider returned error', metadata: { raw: 'plain' } } },
      { message: 'Provider returned error: plain' },
    ],
    [{ error: { error: { message: 'm', type: 't' } } }, { message: 'm', type: 't' }],
    [
      { type: 'response.failed', response: { status: 'failed', error: { code: 'c', message: 'm' } } },
      { message: 'm', code: 'c' },
    ],
    ['m', { message: 'm' }],
    [{}, { message: 'The provider gave no reason.', code: null, type: null, param: null }],
    [null, { message: 'The provider gave no reason.' }],
    [
      { error: { message: 'filtered', code: 'content_filter', innererror: { code: 'ResponsibleAIPolicyViolation' } } },
      { code: 'content_filter', class: 'client' },
    ],
  ])('%j says %j', (body, expected) => {
    expect(response(400, body)).toMatchObject(expected)
  })

  test('pages, broken JSON and nothing at all are no reason; a line is', () => {
    for (const body of ['<html><b>no</b>', '{"error":', '[1,', ' \n']) {
      expect(readErrorResponse(502, NO_HEADERS, body, 1).message).toBe('The provider gave no reason.')
    }
    expect(readErrorResponse(502, NO_HEADERS, ' Bad gateway \n', 1).message).toBe('Bad gateway')
  })

  test('Amazon names the type in a header', () => {
    const headers = { 'x-amzn-errortype': 'ServiceUnavailableException:http://internal.example/' }
    expect(response(503, { message: 'Model is getting throttled.' }, headers)).toMatchObject({
      class: 'overloaded',
      type: 'ServiceUnavailableException',
    })
  })
})

describe('without a status', () => {
  test.each<readonly [Json, string, number]>([
    [{ errors: [{ message: 'no capacity', code: 3040 }] }, 'throttled', 429],
    [{ errors: [{ message: 'no such model', code: 5007 }] }, 'client', 400],
    [{ errors: [{ message: 'AiError', code: 3043 }] }, 'server', 500],
    [{ errors: [{ message: 'not allowed', code: 5018 }] }, 'credential', 403],
    [{ errors: [{ message: 'too slow', code: 3007 }] }, 'timeout', 408],
    [{ error: 'an error was encountered while running the model: unexpected EOF' }, 'server', 0],
    [{ error: "model 'tide' not found" }, 'client', 0],
    [{ error: 'Input validation error: `inputs` must be shorter', error_type: 'validation' }, 'client', 0],
    [{ error: 'Model is overloaded', error_type: 'overloaded' }, 'overloaded', 0],
    [
      {
        error: { type: 'tokens', code: 'rate_limit_exceeded', message: 'Request too large for tide on tokens per min' },
      },
      'client',
      0,
    ],
    [{ error: { type: 'tokens', code: 'rate_limit_exceeded', message: 'Rate limit reached' } }, 'throttled', 0],
    [{ error: { type: 'insufficient_quota', code: 'insufficient_quota', message: 'x' } }, 'credential', 0],
    [{ error: { code: 499, status: 'CANCELLED', message: 'The operation was cancelled.' } }, 'server', 499],
    [{ error: { message: 'tool call validation failed', code: 'tool_use_failed', status_code: 400 } }, 'client', 400],
    [{ error: { message: 'failed to decode, try again' } }, 'server', 0],
  ])('%j is %s', (body, expected, status) => {
    expect(readErrorBody(body)).toMatchObject({ class: expected, status })
  })
})

describe('waits', () => {
  test.each<readonly [number, Json, Readonly<Record<string, string>>, number | null]>([
    [429, { error: { details: [{ '@type': 'RetryInfo', retryDelay: '14s' }] } }, {}, 14_000],
    [429, [{ error: { details: [{ retryDelay: '1.5s' }] } }], {}, 1500],
    [429, { error: { message: 'x', retry_after_ms: 250 } }, {}, 250],
    [429, { error: { message: 'x', retry_after: 2 } }, {}, 2000],
    [429, { message: 'x', retry_after: 3 }, {}, 3000],
    [429, { error: { message: 'Please try again in 174ms. Visit us.' } }, {}, 174],
    [429, { error: { message: 'Please try again in 9m38.016s. …' } }, {}, 578_016],
    [429, { error: { message: 'retry after 2 minutes' } }, {}, 120_000],
    [429, { error: { message: 'Please wait 5 seconds' } }, {}, 5000],
    [
      429,
      { error: { message: 'x' } },
      { 'x-ratelimit-remaining-project-tokens': '0', 'x-ratelimit-reset-project-tokens': '6m0s' },
      360_000,
    ],
    [429, { error: { message: 'x' } }, { 'ratelimit-remaining': '0', 'ratelimit-reset': '18' }, 18_000],
    [429, { error: { message: 'x' } }, { 'retry-after': 'Thu, 01 Jan 2026 00:00:07 GMT' }, 7000],
    [429, { error: { message: 'Request too large. Please try again in 1s' } }, {}, null],
    [401, { error: { message: 'Please try again in 1s' } }, { 'retry-after': '5' }, null],
  ])('%i %j with %j: %s ms', (status, body, headers, waitMs) => {
    expect(response(status, body, headers).retryAfterMs).toBe(waitMs)
  })

  test('inside a stream nobody knows the time: a date is no wait, a duration is', () => {
    const reset = { message: 'x', code: 429, metadata: { headers: { 'X-RateLimit-Reset': '1759845420000' } } }
    expect(readErrorBody({ error: reset }).retryAfterMs).toBeNull()
    expect(readErrorBody({ error: { code: 429, message: 'Please retry in 48.9s' } }).retryAfterMs).toBe(48_900)
  })
})

test.each([
  [400, 'client'],
  [401, 'operator'],
  [429, 'operator'],
  [500, 'provider'],
  [503, 'provider'],
] as const)('a %i is for the %s to see to', (status, blame) => {
  expect(blameOf(response(status, {}).class)).toBe(blame)
})
