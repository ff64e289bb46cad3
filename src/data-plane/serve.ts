// The path of a request, one line a step. Every step is a sibling file.
import type { Services, Later } from '../ports.ts'
import type { Protocol } from '../protocols/protocol.ts'
import { answerStream } from './answer/answer-stream.ts'
import { answerWhole } from './answer/answer-whole.ts'
import { late } from '../core/late.ts'
import { ok } from '../core/result.ts'
import { mayNamePreset } from '../core/routing/preset-mark.ts'
import { authenticate } from './authenticate.ts'
import { withBodies } from './bodies/body-draw.ts'
import { endUserMissing } from './limits/end-user.ts'
import { type ReadExchange, begin, readExchange, settingsOf } from './exchange.ts'
import { readRequest } from './read-request.ts'
import { isRevoked, recall, replay } from './recall.ts'
import { refuse, refuseUnrouted } from './refuse.ts'
import { route } from './route/route.ts'
import { type SendMirror, shadowOf } from './shadow/shadow-draw.ts'

const presets = late(() => import('./route/presets.ts'))
const models = late(() => import('./route/next-model.ts'))
const shadowing = late(() => import('./shadow/shadow.ts'))

const mirror: SendMirror<ReadExchange> = async (...given) => {
  const { mirror: send } = shadowing.now() ?? (await shadowing.load())
  return send(...given)
}

/** Serves one client request of `protocol`. Every expected failure is a response in the client's protocol. */
export async function serve(request: Request, protocol: Protocol, services: Services, later: Later): Promise<Response> {
  const begun = begin(request, protocol, services, later)
  const presented = authenticate(request.headers, services)
  const caller = presented instanceof Promise ? await presented : presented
  if (!caller.ok) return refuse(begun, caller.error)
  const read = await readRequest(request, protocol)
  if (!read.ok) return refuse(begun, read.error)
  let exchange = readExchange(begun, caller.value, read.value)
  const unnamed = begun.options.mistaken ?? endUserMissing(exchange)
  if (unnamed !== null) return refuse(begun, unnamed)
  const known = services.directory.routes(later)
  const routes = known instanceof Promise ? await known : known
  if (routes === null) return refuse(begun, { kind: 'directory-unavailable' })
  if (mayNamePreset(exchange.facts.model, settingsOf(exchange)['preset'])) {
    const loaded = presets.now() ?? (await presets.load().catch(() => null))
    if (loaded === null) return refuse(begun, { kind: 'not-loaded' })
    const preset = loaded.withPreset(exchange, routes)
    if (!preset.ok) return refuse(begun, preset.error)
    exchange = preset.value
  }
  let routed = route(exchange, routes)
  if (!routed.ok && routed.error.models !== undefined && routed.error.models.length > 0) {
    const loaded = models.now() ?? (await models.load().catch(() => null))
    const next = loaded?.nextModel(exchange, routes, routed.error) ?? null
    if (next !== null) [exchange, routed] = [next.exchange, ok(next.routed)]
  }
  if (!routed.ok) return refuseUnrouted(begun, routed.error)
  const asked = recall(exchange, routed.value)
  const recalled = asked instanceof Promise ? await asked : asked
  if (recalled.state === 'hit') {
    if (await isRevoked(exchange)) return refuse(begun, { kind: 'unauthenticated', reason: 'revoked' })
    return withBodies(exchange, replay(exchange, routed.value, recalled.entry))
  }
  const shadow = shadowOf(routed.value.plan.route, exchange, mirror)
  if (shadow !== null) exchange = shadow.live
  const answer = exchange.facts.isStreamed ? answerStream : answerWhole
  const answered = answer(exchange, routed.value, routed.value.promptTokens(), recalled)
  exchange.client.finish(answered)
  shadow?.after(answered, routes)
  return withBodies(exchange, answered)
}
