// Spans out of usage events: one for a request, one for each of its attempts. Ids come from the events, so that an event
// that is told of again makes the same spans.
import { isDrawn, parentSpanOf, spanIdOf, traceIdOf } from '../../core/trace-context.ts'
import type { UsageEvent } from '../../core/money/usage-event.ts'
import { completionTokens, promptTokens } from '../../core/money/usage.ts'
import { errorOf, operationOf, providerOf } from './gen-ai.ts'
import { type OtlpSpan, SPAN_KIND, STATUS_ERROR, attributesOf, nanos } from './otlp.ts'

/** W3C flags of a span that is told of, and what says that its parent was somebody else's. */
const SAMPLED = 0x01
const HAS_IS_REMOTE = 0x100
const IS_REMOTE = 0x200

const NANO = 1e9
const SERVER_ERROR = 500

/** The spans of an event: none where its client doesn't sample its trace, or, of those that named no span, where it isn't
 *  among `percent` in a hundred. A correction has none either. */
export function spansOf(event: UsageEvent, percent: number): readonly OtlpSpan[] {
  if (event.kind !== 'cost') return []
  const traceId = traceIdOf(event.requestId, event.traceId)
  const parent = parentSpanOf(event.parentSpan ?? null)
  if (!(parent?.isSampled ?? isDrawn(traceId, percent))) return []
  const spans: OtlpSpan[] = []
  if (event.isFinal) spans.push(requestSpan(event, traceId, parent?.id ?? null))
  if (event.attempt > 0) spans.push(attemptSpan(event, traceId))
  return spans
}

function requestSpan(event: UsageEvent, traceId: string, parentId: string | null): OtlpSpan {
  const error = errorOf(event)
  const isOurs = error !== null && (event.status >= SERVER_ERROR || event.status < 400)
  return {
    traceId,
    spanId: spanIdOf(event.requestId, null),
    ...(parentId === null ? {} : { parentSpanId: parentId }),
    flags: SAMPLED | HAS_IS_REMOTE | (parentId === null ? 0 : IS_REMOTE),
    name: `${event.protocol} ${event.requestedModel}`,
    kind: SPAN_KIND.server,
    startTimeUnixNano: nanos(event.startedAtMs),
    endTimeUnixNano: nanos(event.startedAtMs + event.latencyMs),
    attributes: attributesOf({
      'http.response.status_code': BigInt(event.status),
      'error.type': error,
      'user.id': event.endUser,
      ...whose(event),
      'tidegate.protocol': event.protocol,
      'tidegate.request.model': event.requestedModel,
      'tidegate.request.stream': event.streamed,
      'tidegate.trace.name': event.traceId === null || event.traceId.toLowerCase() === traceId ? null : event.traceId,
      'tidegate.attempts': BigInt(event.attempt),
      'tidegate.cache': event.cache,
      'tidegate.ending': event.ending,
      'tidegate.plan': event.plan,
      'tidegate.saved.usd': event.savedNanoUsd > 0 ? event.savedNanoUsd / NANO : null,
      'tidegate.time_to_first_content': event.ttftMs === null ? null : event.ttftMs / 1000,
    }),
    status: isOurs ? { code: STATUS_ERROR, message: error } : {},
  }
}

function attemptSpan(event: UsageEvent, traceId: string): OtlpSpan {
  const { usage } = event
  const error = errorOf(event)
  const operation = operationOf(event.protocol)
  const model = event.model ?? event.requestedModel
  const beganMs = Math.min(event.afterMs ?? 0, event.latencyMs)
  const hasUsage = promptTokens(usage) + completionTokens(usage) > 0
  return {
    traceId,
    spanId: spanIdOf(event.requestId, event.attempt),
    parentSpanId: spanIdOf(event.requestId, null),
    flags: SAMPLED | HAS_IS_REMOTE,
    name: `${operation} ${model}`,
    kind: SPAN_KIND.client,
    startTimeUnixNano: nanos(event.startedAtMs + beganMs),
    endTimeUnixNano: nanos(event.startedAtMs + event.latencyMs),
    attributes: attributesOf({
      'gen_ai.operation.name': operation,
      'gen_ai.provider.name': providerOf(event.provider ?? ''),
      'gen_ai.request.model': model,
      'gen_ai.request.stream': event.streamed ? true : null,
      'gen_ai.response.time_to_first_chunk': firstChunkSeconds(event),
      'gen_ai.usage.input_tokens': hasUsage ? BigInt(promptTokens(usage)) : null,
      'gen_ai.usage.output_tokens': hasUsage ? BigInt(completionTokens(usage)) : null,
      'gen_ai.usage.cache_read.input_tokens': some(usage.cacheRead),
      'gen_ai.usage.cache_creation.input_tokens': some(usage.cacheWrite + usage.cacheWriteLong),
      'gen_ai.usage.reasoning.output_tokens': some(usage.reasoning),
      'gen_ai.usage.audio.input_tokens': some(usage.audioInput),
      'gen_ai.usage.audio.output_tokens': some(usage.audioOutput),
      'error.type': error,
      'http.response.status_code': event.status > 0 ? BigInt(event.status) : null,
      ...whose(event),
      'tidegate.attempt': BigInt(event.attempt),
      'tidegate.attempt.final': event.isFinal,
      'tidegate.ending': event.ending,
      'tidegate.target': event.targetId,
      'tidegate.credential': event.credential,
      'tidegate.service_tier': usage.tier,
      'tidegate.cost.usd': event.costNanoUsd / NANO,
      'tidegate.cost.price_version': event.priceVersion,
      'tidegate.usage.estimated': event.isEstimated,
    }),
    status: error === null ? {} : { code: STATUS_ERROR, message: error },
  }
}

/** Seconds from the attempt's beginning to its first content; null where none was told, or it wasn't a stream. */
export function firstChunkSeconds({ streamed, ttftMs, afterMs = 0 }: UsageEvent): number | null {
  return streamed && ttftMs !== null ? Math.max(0, ttftMs - afterMs) / 1000 : null
}

function whose(event: UsageEvent) {
  return {
    'tidegate.request.id': event.requestId,
    'tidegate.tenant.id': event.tenantId,
    'tidegate.team.id': event.teamId,
    'tidegate.key.id': event.keyId,
    'tidegate.cost_center': event.costCenter,
    'tidegate.tags': event.tags.length > 0 ? event.tags : null,
    'tidegate.route': event.route,
  }
}

function some(count: number): bigint | null {
  return count > 0 ? BigInt(count) : null
}
