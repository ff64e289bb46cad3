// `POST /v1/feedback`: what a client thinks of an answer to its tenant. Beside the path of requests: it knows the ledger.
import { parseJson } from '../core/json.ts'
import { authenticate } from '../data-plane/authenticate.ts'
import { begin } from '../data-plane/exchange.ts'
import { refuse } from '../data-plane/refuse.ts'
import { giveFeedback, readFeedback } from '../ledger/feedback.ts'
import type { Later, Services } from '../ports.ts'
import { chat } from '../protocols/chat/index.ts'

/** A comment, and JSON around it. */
const BODY_BYTES_MAX = 32_768

/** 201 for what was kept; 404 for a request that the ledger doesn't have of the caller's tenant, or not yet. */
export async function takeFeedback(
  request: Request,
  db: D1Database,
  services: Services,
  later: Later,
): Promise<Response> {
  const exchange = begin(request, chat, services, later)
  const caller = await authenticate(request.headers, services)
  if (!caller.ok) return refuse(exchange, caller.error)
  const text = await shortText(request)
  if (text === null) return refuse(exchange, { kind: 'request-too-large', limitBytes: BODY_BYTES_MAX })
  const feedback = readFeedback(parseJson(text))
  if (!feedback.ok) return refuse(exchange, { kind: 'invalid-request', ...feedback.error })
  const headers = { 'x-request-id': exchange.requestId, 'x-tidegate-request-id': exchange.requestId }
  const { requestId, scoreMilli, comment } = feedback.value
  if (!(await giveFeedback(db, caller.value.tenantId, feedback.value, services.nowMs()))) {
    const message = `There is no request ${JSON.stringify(requestId)} of this tenant. The ledger has one some seconds after its answer.`
    const error = { message, type: 'invalid_request_error', param: 'request_id', code: 'request_not_found' }
    return Response.json({ error }, { status: 404, headers: { ...headers, 'retry-after': '5' } })
  }
  const kept = { object: 'feedback', request_id: requestId, score: scoreMilli / 1000, comment }
  return Response.json(kept, { status: 201, headers })
}

/** The body's text; null for one that is too long, of which no more is read. */
async function shortText(request: Request): Promise<string | null> {
  if (Number(request.headers.get('content-length') ?? 0) > BODY_BYTES_MAX) return null
  const decoder = new TextDecoder()
  let text = ''
  let bytes = 0
  for await (const chunk of request.body ?? []) {
    bytes += chunk.byteLength
    if (bytes > BODY_BYTES_MAX) return null
    text += decoder.decode(chunk, { stream: true })
  }
  return text + decoder.decode()
}
