// Which targets may serve a request, and in which order.
import { type Caller, type Target, modelMatches } from '../core/directory.ts'
import type { JsonObject } from '../core/json.ts'
import type { Failure, Gap } from '../core/failure.ts'
import type { NeutralRequest } from '../core/neutral.ts'
import { type Plan, plan } from '../core/plan.ts'
import { err, ok, type Result } from '../core/result.ts'
import type { RouteTable } from '../core/route-table.ts'
import { suggestModels } from '../core/suggest.ts'
import { dialects } from '../dialects/index.ts'
import { clientsGaps } from './dropped.ts'
import { arrayOf } from '../wire/read.ts'
import { type ReadExchange, settingsOf } from './exchange.ts'

/** A plan, with the request in neutral form where a candidate needs it. */
export interface RoutedRequest {
  readonly plan: Plan
  /** Null when every candidate is on the native lane. */
  readonly neutral: NeutralRequest | null
  /** What to ask for instead, now that these targets have failed. */
  readonly suggest?: (failed: readonly Target[]) => readonly string[]
}

/** Plans a request, or tells why nothing can serve it. */
export function route(exchange: ReadExchange, table: RouteTable): Result<RoutedRequest, Failure> {
  const { caller, facts, protocol } = exchange
  const found = table.find(caller.tenantId, facts.model)
  const suggest = (failed: readonly Target[]): readonly string[] => suggestModels(table, caller, facts.model, failed)
  if (found === null) return err({ kind: 'model-not-found', model: facts.model, suggestions: suggest([]) })
  const forbidden = forbiddenModel(caller, facts.model, () => settingsOf(exchange))
  if (forbidden !== undefined) return err({ kind: 'model-not-allowed', model: forbidden })
  const targets = table.targets(found)
  const isTranslated = targets.some((target) => dialects.get(target.dialect).nativeWire(target) !== protocol.wire)
  const neutral = isTranslated ? protocol.read(exchange.body()) : null
  if (neutral !== null && !neutral.ok) return neutral
  const request = neutral === null ? null : neutral.value
  const planned = plan(
    found,
    targets,
    (target) => {
      const dialect = dialects.get(target.dialect)
      const isNative = dialect.nativeWire(target) === protocol.wire
      if (isNative || request === null) {
        return target.quirks === undefined ? [] : (dialect.nativeGaps?.(settingsOf(exchange), target) ?? [])
      }
      return clientsGaps(dialect, request, target)
    },
    exchange.services.draw,
  )
  if (planned.candidates.length > 0) return ok({ plan: planned, neutral: request, suggest })
  const gaps: readonly Gap[] = planned.excluded.flatMap((exclusion) => exclusion.gaps)
  if (gaps.length > 0) return err({ kind: 'unsupported', model: facts.model, gaps, suggestions: suggest(targets) })
  const suggestions = suggest(targets)
  return err({ kind: 'no-target-available', model: facts.model, retryAfterMs: null, suggestions })
}

/** A model that a request names and its key may not use: the one that is asked for, or one to go on with (OpenRouter does so
 *  with `models`, and bills them). Undefined for none. */
export function forbiddenModel(caller: Caller, model: string, body: () => JsonObject): string | undefined {
  if (caller.allowedModels.length === 0) return undefined
  const others = arrayOf(body()['models']).filter((other) => typeof other === 'string')
  return [model, ...others].find((named) => !isAllowed(caller, named))
}

/** Whether a key may use a model: it names the model, or names none. */
export function isAllowed(caller: Caller, model: string): boolean {
  return caller.allowedModels.length === 0 || caller.allowedModels.some((pattern) => modelMatches(pattern, model))
}
