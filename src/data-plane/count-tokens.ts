// `POST /v1/messages/count_tokens`: how many tokens a request has. A target on Anthropic's wire is asked; for any other
// the answer is our own estimate, and says so. Nothing is admitted and nothing is charged: no model is run.
// https://platform.claude.com/docs/en/api/messages/count_tokens
import type { Target } from '../core/directory.ts'
import type { Failure, UpstreamFailure } from '../core/failure.ts'
import { parseJson } from '../core/json.ts'
import { err, ok, type Result } from '../core/result.ts'
import { dialects } from '../dialects/index.ts'
import type { Later, Services } from '../ports.ts'
import { countTokensProtocol } from '../protocols/messages/index.ts'
import { countOf, objectOf } from '../wire/read.ts'
import { authenticate } from './authenticate.ts'
import { limitedText, noAnswer } from './call-upstream.ts'
import { concreteTarget } from './route/concrete-target.ts'
import { type ReadExchange, begin } from './exchange.ts'
import { headerSafe, planHeaders } from './headers.ts'
import { promptTokens } from './bodies/large-body.ts'
import { routeAny } from './route/next-model.ts'
import { withPreset } from './route/presets.ts'
import { readRequest } from './read-request.ts'
import { refuse, refuseUnrouted } from './refuse.ts'

/** Longest answer that is read: it holds one number, or an error. */
const ANSWER_BYTES_MAX = 65_536

/** Serves a question for the size of a request. Every expected failure is a response in Anthropic's form. */
export async function countTokens(request: Request, services: Services, later: Later): Promise<Response> {
  const begun = begin(request, countTokensProtocol, services, later)
  const caller = await authenticate(request.headers, services)
  if (!caller.ok) return refuse(begun, caller.error)
  const read = await readRequest(request, countTokensProtocol)
  if (!read.ok) return refuse(begun, read.error)
  const asked: ReadExchange = { ...begun, caller: caller.value, ...read.value }
  const routes = await services.directory.routes(later)
  if (routes === null) return refuse(begun, { kind: 'directory-unavailable' })
  const preset = withPreset(asked, routes)
  if (!preset.ok) return refuse(begun, preset.error)
  const found = routeAny(preset.value, routes)
  if (!found.ok) return refuseUnrouted(begun, found.error)
  const { exchange, routed } = found.value
  const told = planHeaders(routed.plan)
  const targets = routed.plan.candidates.map(({ target }) => target)
  const counted = await countAt(exchange, targets)
  if (counted === null) {
    const tokens = promptTokens(exchange.facts, exchange.short)
    return answer(exchange, tokens, { ...told, 'x-tidegate-estimated': 'true' })
  }
  if (!counted.ok) return refuse(begun, counted.error, told)
  return answer(exchange, counted.value.tokens, { ...told, ...counted.value.headers })
}

interface Counted {
  readonly tokens: number
  /** Who counted. */
  readonly headers: Readonly<Record<string, string>>
}

/** What the first target says that can be asked; null where none can. The client's own mistake ends the search, and
 *  so does the first target that can't be asked: it would be the next to serve the request. */
async function countAt(exchange: ReadExchange, targets: readonly Target[]): Promise<Result<Counted, Failure> | null> {
  let failure: Failure | null = null
  for (const candidate of targets) {
    const target = await concreteTarget(candidate, exchange.facts.model)
    const permit = await exchange.services.breakers.permit(target)
    if ('retryAfterMs' in permit) continue
    const asked = await ask(exchange, target)
    if (asked === null) {
      permit.withdraw(exchange.later)
      return failure === null ? null : err(failure)
    }
    if (asked.ok) {
      permit.done(null, null, exchange.later)
      const { provider, model, id } = target
      const headers = {
        'x-tidegate-provider': provider,
        'x-tidegate-model': headerSafe(model),
        'x-tidegate-target': id,
      }
      return ok({ tokens: asked.value, headers })
    }
    if (exchange.client.hasLeft) permit.withdraw(exchange.later)
    else permit.done(asked.error.class, asked.error.retryAfterMs, exchange.later)
    failure = { kind: 'upstream-failed', provider: target.provider, upstream: asked.error }
    if (asked.error.class === 'client') break
  }
  return failure === null ? null : err(failure)
}

/** The target's own count; null where it can't be asked. */
async function ask(exchange: ReadExchange, target: Target): Promise<Result<number, UpstreamFailure> | null> {
  const { services, facts } = exchange
  const dialect = dialects.get(target.dialect)
  const model = target.model === facts.model ? null : target.model
  const edits = { model, forceUsage: false, maxOutputTokens: null, headers: exchange.passed }
  const call = dialect.countTokens?.(exchange.text, exchange.body(), edits, target) ?? null
  if (call === null || dialect.wire !== exchange.protocol.wire) return null
  const abort = new AbortController()
  const timer = setTimeout(() => abort.abort('timed-out'), target.timeouts.firstContentMs)
  exchange.client.onLeave(() => abort.abort('client-left'))
  try {
    const response = await services.upstream.call(target, call, dialect.name, abort.signal)
    const text = (await limitedText(response, ANSWER_BYTES_MAX)) ?? ''
    if (!response.ok) return err(dialect.fail(response.status, response.headers, text, services.nowMs()))
    const tokens = objectOf(parseJson(text))['input_tokens']
    return typeof tokens === 'number' ? ok(countOf(tokens)) : err(UNREADABLE)
  } catch (error) {
    return err(noAnswer(abort.signal, error))
  } finally {
    clearTimeout(timer)
    exchange.client.onLeave(null)
  }
}

const UNREADABLE: UpstreamFailure = {
  class: 'stream',
  status: 0,
  message: "The provider's answer is no count of tokens.",
  code: null,
  type: null,
  param: null,
  retryAfterMs: null,
}

function answer(exchange: ReadExchange, tokens: number, headers: Readonly<Record<string, string>>): Response {
  const ids = {
    'request-id': exchange.requestId,
    'x-request-id': exchange.requestId,
    'x-tidegate-request-id': exchange.requestId,
  }
  return Response.json({ input_tokens: tokens }, { headers: { ...ids, ...headers } })
}
