// `/{provider}/…`: what has no protocol of its own goes to the provider as it is, with the gateway's credential in place of the
// client's key. The same gates as for everything else: key, models, limits, breaker, ledger; and what of the provider's own API
// is the caller's to use at all (`pass-through-rights.ts`). The provider is one that the tenant's routes reach, by its
// catalogue name, or one target of them by its id.
import type { Later, OutgoingCall, Services } from '../../ports.ts'
import { hasQuirk } from '../../core/quirk.ts'
import type { Speaker } from '../../protocols/protocol.ts'
import { objectOf } from '../../wire/read.ts'
import type { Attempt } from '../attempt.ts'
import { answerHeaders } from '../headers.ts'
import { METHODS, allows } from '../http-surface.ts'
import { boundedBody, plainBody } from './pass-through-bound.ts'
import { FORWARDED, passedHeaders, passedLocation, passedQuery } from './pass-through-headers.ts'
import { laneOf } from './pass-through-meter.ts'
import { type PassedBody, type PassedRequest, type Way, planPassThrough } from './pass-through-plan.ts'
import { pursue } from '../pursue.ts'
import { refuse, refuseUnrouted } from '../refuse.ts'
import { relayed, tryRelay } from '../relay/relay.ts'

/** Passes a request through; null where its path names no provider that this caller can reach. */
export async function passThrough(request: Request, services: Services, later: Later): Promise<Response | null> {
  const planned = await planPassThrough(request, services, later)
  if (planned === null) return null
  if (planned === 'methods') return allows(METHODS)
  if ('failure' in planned) return refuseUnrouted(planned.exchange, planned)
  const answered = answer(planned, request)
  planned.exchange.client.finish(answered)
  return answered
}

async function answer(planned: PassedRequest, request: Request): Promise<Response> {
  const { exchange, way, plan, body, promptTokens } = planned
  const { target, inference, passed } = way
  const isStreamed = passed.operation.includes(':stream')
  const result = await pursue(exchange, { plan, neutral: null }, { promptTokens, cache: 'off' }, (attempt) =>
    tryRelay(attempt, {
      outgoing: () => outgoingCall(attempt, planned, request),
      laneOf: (headers) =>
        laneOf(inference, target, { headers, isStreamed, hidesUsage: forcesUsage(attempt, way, body) }),
      isOnce: true,
      keepsRefusals: true,
    }),
  )
  if (!result.ok) return refuse(exchange, result.error, answerHeaders(exchange, plan, null, 'off'))
  const headers = answerHeaders(exchange, plan, result.value.attempt, 'off')
  const { response } = result.value.answer
  const location = passedLocation(response.headers.get('location'), target.baseUrl + passed.path, way.name)
  if (location !== null) headers['location'] = location
  return relayed(exchange, result.value, headers, FORWARDED)
}

function outgoingCall(attempt: Attempt<Speaker>, { way, body }: PassedRequest, request: Request): OutgoingCall {
  const headers = passedHeaders(request.headers)
  const path = way.passed.path + passedQuery(new URL(request.url))
  const call = { path, headers, method: request.method }
  if (body.text !== null) return { ...call, body: bodyOf(attempt, way, { ...body, text: body.text }) }
  if (request.body === null) return { ...call, body: '' }
  const stated = request.headers.get('content-length')
  return { ...call, body: '', stream: request.body, streamBytes: stated === null ? null : Number(stated) }
}

/** The client's bytes, unless a limit stands behind them: then with a bound that the provider is to keep. */
function bodyOf(
  attempt: Attempt<Speaker>,
  way: Way,
  body: PassedBody & { readonly text: string },
): string | ArrayBuffer {
  const { inference, target } = way
  if (inference === null || body.text === '') return body.bytes ?? body.text
  let text = plainBody(body.text, body.json)
  if (isLimited(attempt) && inference.kind === 'writes') {
    const { maxOutputTokens } = attempt.demand
    text = boundedBody(text, body.json, inference, target, {
      maxOutputTokens,
      forceUsage: forcesUsage(attempt, way, body),
    })
  }
  return text === body.text ? (body.bytes ?? text) : text
}

function isLimited({ reservation }: Attempt<Speaker>): boolean {
  return reservation.limitsMoney || reservation.limitsTokens
}

/** OpenAI's streams tell their usage only when they are asked to; without it nobody knows what was thought. */
function forcesUsage(attempt: Attempt<Speaker>, { inference, target }: Way, { json }: PassedBody): boolean {
  const wire = inference?.wire
  if (wire !== 'openai-chat' && wire !== 'openai-completions') return false
  if (json['stream'] !== true || hasQuirk(target, 'no-stream-options') || !isLimited(attempt)) return false
  return objectOf(json['stream_options'])['include_usage'] !== true
}
