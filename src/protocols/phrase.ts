// What a failure is called, whichever protocol it is told in: status, code, message, whether and when to try again. One
// contract for all protocols; each only shapes it. What a provider says of our own account (credential, address, outage)
// isn't passed on; what it says of the client's request is. https://platform.openai.com/docs/guides/error-codes
import type { Failure, Gap, NotPassedThrough, UpstreamFailure } from '../core/failure.ts'
import type { JsonObject } from '../core/json.ts'
import { withoutUndefined } from '../wire/write.ts'
import { budgetExhausted, rateLimited, runaway, tooManyAtOnce } from './phrase-limits.ts'

/** A failure in words and numbers. */
export interface Phrase {
  readonly status: number
  readonly message: string
  readonly type: string
  readonly code: string | null
  readonly param?: string | null
  /** What the SDK should do about it; null leaves it to its own rule (408, 409, 429 and 5xx are tried again). */
  readonly mayRetry?: boolean
  readonly retryAfterMs?: number | null
  readonly headers?: Readonly<Record<string, string>>
  /** The provider that failed. */
  readonly provider?: string
  /** Models that the client may ask for instead. */
  readonly suggestions?: readonly string[]
  /** The limit that refused. */
  readonly limit?: JsonObject
}

/** What a failure says beyond its protocol's own members, under the names that every protocol has them. */
export function phraseDetails(phrase: Phrase): JsonObject {
  return withoutUndefined({
    provider: phrase.provider,
    retry_after_ms: phrase.retryAfterMs ?? undefined,
    limit: phrase.limit,
    suggested_models: phrase.suggestions?.length === 0 ? undefined : phrase.suggestions,
  })
}

/** `x-should-retry` is set wherever the SDK's guess by status would be wrong; the wait in seconds and in milliseconds. */
export function phraseHeaders(phrase: Phrase): Readonly<Record<string, string>> {
  const headers: Record<string, string> = { ...phrase.headers }
  if (phrase.mayRetry !== undefined) headers['x-should-retry'] = String(phrase.mayRetry)
  const wait = phrase.retryAfterMs ?? null
  if (wait !== null) {
    headers['retry-after'] = String(Math.max(1, Math.ceil(wait / 1000)))
    headers['retry-after-ms'] = String(Math.max(1, Math.ceil(wait)))
  }
  return headers
}

const INVALID = 'invalid_request_error'

/** Waiting this long is a fair guess where nothing better is known. */
const SHORT_WAIT_MS = 1000

/** The words for a failure. `type` is OpenAI's; a protocol with types of its own goes by status and code. */
export function phraseOf(failure: Failure): Phrase {
  const phrase = wordsOf(failure)
  const suggestions = 'suggestions' in failure ? failure.suggestions : undefined
  return suggestions === undefined ? phrase : { ...phrase, suggestions }
}

function wordsOf(failure: Failure): Phrase {
  switch (failure.kind) {
    case 'invalid-request':
      return { status: 400, message: failure.message, type: INVALID, code: null, param: failure.field }
    case 'unsupported-media-type':
      return badMediaType(failure.received, failure.expected ?? 'application/json')
    case 'request-too-large':
      return tooLarge(failure.limitBytes)
    case 'unauthenticated':
      return { status: 401, message: KEY_COMPLAINTS[failure.reason], type: INVALID, code: 'invalid_api_key' }
    case 'model-not-found':
      return modelNotFound(failure.model)
    case 'model-not-allowed':
      return modelNotAllowed(failure.model)
    case 'switched-off':
      return failure.what === 'target' ? targetsOff(failure) : switchedOff(failure.what, failure.model)
    case 'unpriced':
      return unpriced(failure.model)
    case 'data-policy':
      return dataPolicy(failure.model, failure.of, failure.need)
    case 'refused-by-rule':
      return { status: 403, message: failure.message, type: INVALID, code: 'refused_by_rule' }
    case 'unsupported':
      return unsupported(failure.model, failure.gaps)
    case 'rate-limited':
      return rateLimited(failure)
    case 'too-many-at-once':
      return tooManyAtOnce(failure)
    case 'budget-exhausted':
      return budgetExhausted(failure)
    case 'runaway':
      return runaway(failure)
    case 'directory-unavailable':
      return unavailable('Keys and routes cannot be looked up at the moment.', 'directory_unavailable', SHORT_WAIT_MS)
    case 'not-loaded':
      return unavailable('This part of the gateway cannot be loaded at the moment.', 'not_loaded', SHORT_WAIT_MS)
    case 'limiter-unavailable':
      return unavailable('Limits and budgets cannot be checked at the moment.', 'limiter_unavailable', SHORT_WAIT_MS)
    case 'upstream-failed':
      return { ...phraseUpstream(failure.provider, failure.upstream), provider: failure.provider }
    case 'no-target-available':
      return noTarget(failure.model, failure.retryAfterMs)
    case 'endpoint-not-found':
      return { status: 404, message: `Unknown endpoint: ${failure.path}`, type: INVALID, code: 'unknown_url' }
    case 'method-not-allowed':
      return wrongMethod(failure.allowed)
    case 'not-passed-through':
      return notPassedThrough(failure)
    case 'internal':
      return internal(failure.requestId)
  }
}

const KEY_COMPLAINTS: Readonly<Record<Extract<Failure, { kind: 'unauthenticated' }>['reason'], string>> = {
  missing: "You didn't provide an API key. Send it in an Authorization header: Authorization: Bearer YOUR_KEY.",
  malformed: 'Incorrect API key provided: it does not have the form of a key of this gateway.',
  unknown: 'Incorrect API key provided: this gateway does not know it.',
  expired: 'Incorrect API key provided: it has expired.',
  revoked: 'Incorrect API key provided: it has been revoked.',
  rotated: 'Incorrect API key provided: it has been replaced by another one, which its owner was given.',
}

function badMediaType(received: string, expected: string): Phrase {
  const message = `Unsupported content type '${received}'. Send the request as ${expected}.`
  return { status: 415, message, type: INVALID, code: 'unsupported_content_type' }
}

function tooLarge(limitBytes: number): Phrase {
  const message = `The request body is too large: at most ${limitBytes} bytes are accepted.`
  return { status: 413, message, type: INVALID, code: 'request_too_large' }
}

function modelNotFound(model: string): Phrase {
  const message = `The model \`${model}\` does not exist or you do not have access to it.`
  return { status: 404, message, type: INVALID, code: 'model_not_found', param: 'model' }
}

function modelNotAllowed(model: string): Phrase {
  const message = `This key is not allowed to use the model \`${model}\`.`
  return { status: 403, message, type: INVALID, code: 'model_not_allowed', param: 'model' }
}

function unpriced(model: string): Phrase {
  const message = `The model \`${model}\` has no price here and is not served at an unknown one. The gateway's operator can set a price.`
  return { status: 403, message, type: INVALID, code: 'model_unpriced', param: 'model', mayRetry: false }
}

/** Whoever is off isn't helped by trying again; a model may be back, but nobody knows when. */
function switchedOff(what: 'tenant' | 'key' | 'model', model = ''): Phrase {
  const phrase = { type: INVALID, code: `${what}_switched_off`, mayRetry: false }
  if (what !== 'model') return { ...phrase, status: 403, message: SWITCHED_OFF[what] }
  const message = `The model \`${model}\` has been switched off by the operator of this gateway.`
  return { ...phrase, status: 503, type: 'server_error', message, param: 'model' }
}

function dataPolicy(model: string, of: string, need: string): Phrase {
  const message = `Nothing that serves the model \`${model}\` meets the data policy of this ${of}: \`${need}\`.`
  return { status: 403, message, type: INVALID, code: 'data_policy', param: 'model' }
}

const TARGETS_TOLD_MAX = 8

function targetsOff({ model, targets }: { readonly model: string; readonly targets: readonly string[] }): Phrase {
  const told = targets.slice(0, TARGETS_TOLD_MAX).join(', ') + (targets.length > TARGETS_TOLD_MAX ? ', …' : '')
  const message = `What serves the model \`${model}\` has been switched off by the operator of this gateway: ${told}.`
  return { status: 503, message, type: 'server_error', code: 'target_switched_off', param: 'model', mayRetry: false }
}

const SWITCHED_OFF = {
  tenant: 'This account has been switched off by the operator of this gateway.',
  key: 'This API key has been switched off by the operator of this gateway.',
} as const

function unsupported(model: string, gaps: readonly Gap[]): Phrase {
  const list = gaps.map((gap) => `'${gap.path ?? gap.field}' (${gap.reason})`).join(', ')
  const message = `Unsupported parameter for the model \`${model}\`: ${list}.`
  return {
    status: 400,
    message,
    type: INVALID,
    code: 'unsupported_parameter',
    param: gaps[0]?.path ?? gaps[0]?.field ?? null,
  }
}

function unavailable(message: string, code: string, retryAfterMs: number | null): Phrase {
  return { status: 503, message, type: 'server_error', code, mayRetry: true, retryAfterMs }
}

function noTarget(model: string, retryAfterMs: number | null): Phrase {
  const message = `No provider is available for the model \`${model}\` at the moment.`
  return unavailable(message, 'no_target_available', retryAfterMs ?? SHORT_WAIT_MS)
}

function wrongMethod(allowed: string): Phrase {
  const message = `This endpoint only answers ${allowed}.`
  return { status: 405, message, type: INVALID, code: 'method_not_allowed', headers: { allow: allowed } }
}

const PASSED_THROUGH: Readonly<Record<NotPassedThrough['reason'], (subject: string) => string>> = {
  off: (subject) => `${subject} is not passed through: nothing is, for this key.`,
  'runs-no-model': (subject) => `${subject} is not passed through: for this key, only calls that run a model are.`,
  'names-no-model': (subject) =>
    `${subject} is not passed through: for this key, only calls that name a model in JSON or in the path are.`,
  'unrouted-model': (subject) =>
    `The model \`${subject}\` is not passed through: for this key, only models are that a route leads to.`,
  'kept-reference': (subject) =>
    `'${subject}' is not passed through: for this key, only calls are that refer to nothing kept at the provider.`,
}

/** Always says what would let it through. */
function notPassedThrough({ reason, subject, needed }: NotPassedThrough): Phrase {
  const remedy =
    needed === null
      ? 'A key without a list of models may.'
      : `The setting \`pass_through\` of the tenant, and of the key where it has one, would have to be \`${needed}\`.`
  const message = `${PASSED_THROUGH[reason](subject)} ${remedy}`
  return { status: 403, message, type: INVALID, code: 'not_passed_through' }
}

function internal(requestId: string): Phrase {
  const message = `The gateway failed to process the request. Quote request id ${requestId} when reporting it.`
  return { status: 500, message, type: 'server_error', code: 'internal_error' }
}

/** A failure behind us. Only a complaint about the client's own request is quoted. */
function phraseUpstream(provider: string, upstream: UpstreamFailure): Phrase {
  const server = { type: 'server_error', param: null, retryAfterMs: upstream.retryAfterMs, mayRetry: true }
  switch (upstream.class) {
    case 'client':
      return clientMistake(upstream)
    case 'throttled':
      return {
        ...server,
        status: 429,
        type: 'rate_limit_error',
        code: 'rate_limit_exceeded',
        message: `The provider ${provider} limits the rate of requests. Please try again later.`,
      }
    case 'overloaded':
      return {
        ...server,
        status: 503,
        code: 'provider_overloaded',
        message: `The provider ${provider} is overloaded. Please try again later.`,
      }
    case 'timeout':
      return {
        ...server,
        status: 504,
        code: 'provider_timeout',
        message: `The provider ${provider} did not answer in time.`,
      }
    case 'connection':
      return {
        ...server,
        status: 502,
        code: 'provider_unreachable',
        message: `The provider ${provider} could not be reached.`,
      }
    case 'credential':
      return {
        ...server,
        status: 502,
        code: 'provider_credential',
        mayRetry: false,
        message: `The provider ${provider} does not accept the gateway's credential. The gateway's operator has to see to it.`,
      }
    case 'incapable':
      return {
        ...server,
        status: 501,
        code: 'provider_incapable',
        mayRetry: false,
        message: `The provider ${provider} does not offer what was asked for.`,
      }
    case 'stream':
      return {
        ...server,
        status: 502,
        code: 'provider_stream_broken',
        message: `The reply of the provider ${provider} broke off or could not be read.`,
      }
    case 'server':
      return {
        ...server,
        status: 502,
        code: 'provider_error',
        message: `The provider ${provider} failed to process the request.`,
      }
  }
}

function clientMistake(upstream: UpstreamFailure): Phrase {
  const status = upstream.status >= 400 && upstream.status < 500 ? upstream.status : 400
  const { message, code, param } = upstream
  // A status that the SDK would try again (a 429 for a request that is too large, a 409) isn't worth trying again here.
  return { status, message, type: upstream.type ?? INVALID, code, param, mayRetry: false }
}
