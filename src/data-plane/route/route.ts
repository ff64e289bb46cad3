// Which targets may serve a request, and in which order.
import { type Caller, type Route, type Target, modelMatches } from '../../core/directory.ts'
import type { JsonObject } from '../../core/json.ts'
import { late } from '../../core/late.ts'
import type { Failure, Gap, InvalidRequest } from '../../core/failure.ts'
import type { NeutralRequest } from '../../core/neutral.ts'
import { type Exclusion, type Plan, type PlanChecks, gapsOf, plan } from '../../core/routing/plan.ts'
import type { Preferences } from '../../core/routing/preferences.ts'
import { err, ok, type Result } from '../../core/result.ts'
import { ruling } from '../../core/routing/route-rules.ts'
import type { RouteTable } from '../../core/routing/route-table.ts'
import type { Situation } from '../../core/strategies/strategy.ts'
import { suggestModels } from '../../core/routing/suggest.ts'
import type { Speaker } from '../../protocols/protocol.ts'
import { dialects } from '../../dialects/index.ts'
import type { Rerouted } from '../limits/downgrade.ts'
import { dataFailure, outOfBounds } from './data-policy.ts'
import { clientsGaps } from '../dropped.ts'
import { arrayOf } from '../../wire/read.ts'
import { type ReadExchange, settingsOf } from '../exchange.ts'
import { promptTokens } from '../bodies/large-body.ts'
import { asPreferred, preferencesOf, unwanted } from './preferences.ts'
import { inabilities, routeFacts } from './route-facts.ts'
import { situationOf } from './situation.ts'

/** A plan, with the request in neutral form where a candidate needs it. */
export interface RoutedRequest {
  readonly plan: Plan
  /** Null when every candidate is on the native lane. */
  readonly neutral: NeutralRequest | null
  /** What to ask for instead, now that these targets have failed. */
  readonly suggest?: (failed: readonly Target[]) => readonly string[]
  /** Models to go on with when none of these targets answers. */
  readonly models?: readonly string[]
  /** The same for another model, where a limit's policy wants that; null where it can't be. */
  readonly reroute?: (model: string) => Promise<Rerouted | null>
}

const downgrading = late(() => import('../limits/downgrade.ts'))

/** A request that was planned by its text. */
export interface PlannedRequest extends RoutedRequest {
  /** Likely tokens of the prompt: computed once, when it is first asked for. */
  readonly promptTokens: () => number
}

/** Why nothing can serve a request, and the plan as far as it came: null where there is no route for it. */
export interface Unroutable {
  readonly failure: Failure
  readonly plan: Plan | null
  /** Models that the request names to go on with, where it was only that nobody is left. */
  readonly models?: readonly string[]
}

/** Plans a request, or tells why nothing can serve it. */
export function route(exchange: ReadExchange, table: RouteTable): Result<PlannedRequest, Unroutable> {
  const { caller, facts } = exchange
  const found = table.find(caller.tenantId, facts.model)
  const suggest = (failed: readonly Target[]): readonly string[] => suggestModels(table, caller, facts.model, failed)
  if (found === null) return unroutable({ kind: 'model-not-found', model: facts.model, suggestions: suggest([]) })
  if (exchange.services.switches.ofModel(facts.model)) {
    return unroutable({ kind: 'switched-off', what: 'model', model: facts.model })
  }
  const forbidden = forbiddenModel(caller, facts.model, () => settingsOf(exchange))
  if (forbidden !== undefined) return unroutable({ kind: 'model-not-allowed', model: forbidden })
  const targets = table.targets(found)
  const neutral = neutralFor(exchange, targets)
  if (!neutral.ok) return unroutable(neutral.error)
  const length = once(() => promptTokens(facts, exchange.short))
  const wanted = preferencesOf(exchange, targets)
  if (!wanted.ok) return unroutable(wanted.error)
  const { preferences, models } = wanted.value
  const ruled = found.rules === undefined ? null : ruling(found.rules, routeFacts(exchange, length))
  if (ruled !== null && ruled.refusal !== null) {
    const { rule } = ruled.refusal
    const none: Plan = { route: found, candidates: [], excluded: [], rule }
    return unroutable({ kind: 'refused-by-rule', model: facts.model, ...ruled.refusal }, none)
  }
  const checks = checksOf(exchange, { route: found, neutral: neutral.value, length, preferences })
  const situation = (): Situation => situationOf(exchange, length)
  const made = plan(found, targets, checks, situation, ruled)
  const planned = preferences === null ? made : asPreferred(made, preferences, situation)
  if (planned.candidates.length > 0) {
    const reroute = async (model: string): Promise<Rerouted | null> => {
      const { downgrade } = downgrading.now() ?? (await downgrading.load())
      return downgrade(exchange, table, model)
    }
    return ok({ plan: planned, neutral: neutral.value, promptTokens: length, suggest, reroute, models })
  }
  return err({ failure: noCandidate(facts.model, planned, suggest(targets)), plan: planned, models })
}

export function unroutable(failure: Failure, plan: Plan | null = null): Result<never, Unroutable> {
  return err({ failure, plan })
}

/** What to tell where a plan has no candidate. */
export function noCandidate(model: string, { excluded }: Plan, suggestions: readonly string[]): Failure {
  const off = allOff(model, excluded)
  if (off !== null) return off
  const gaps = gapsOf(excluded)
  if (gaps.length > 0) return { kind: 'unsupported', model, gaps, suggestions }
  return (
    dataFailure(model, excluded) ??
    wishFailure(model, excluded) ?? { kind: 'no-target-available', model, retryAfterMs: null, suggestions }
  )
}

/** What to tell a client whose own wishes leave nobody: asking again changes nothing. */
function wishFailure(model: string, excluded: readonly Exclusion[]): Failure | null {
  const wishes = excluded.flatMap((exclusion) => (exclusion.reason === 'preference' ? [exclusion.preference] : []))
  const [field = null] = wishes
  if (field === null) return null
  const names = [...new Set(wishes)].map((name) => `'${name}'`).join(', ')
  return { kind: 'invalid-request', field, message: `No target of the model \`${model}\` is left by ${names}.` }
}

/** What is asked of each target of a route for this request. */
export function checksOf(
  exchange: ReadExchange,
  given: {
    readonly route: Route
    readonly neutral: NeutralRequest | null
    readonly length: () => number
    readonly preferences: Preferences | null
  },
): PlanChecks {
  const { route: found, neutral, length, preferences } = given
  return {
    gaps: (target) => gapsAt(exchange, neutral, target),
    against: (target) =>
      switchedOff(exchange, target) ??
      outOfBounds(exchange.caller, found, target) ??
      tooLong(target, length) ??
      (preferences === null ? null : unwanted(target, preferences)),
  }
}

/** The request in neutral form, null where every target is on the native lane. */
export function neutralFor(
  { protocol, body }: ReadExchange,
  targets: readonly Target[],
): Result<NeutralRequest | null, InvalidRequest> {
  const isTranslated = targets.some((target) => dialects.get(target.dialect).nativeWire(target) !== protocol.wire)
  return isTranslated ? protocol.read(body()) : ok(null)
}

/** What of the request a target can't carry. */
function gapsAt(exchange: ReadExchange, neutral: NeutralRequest | null, target: Target): readonly Gap[] {
  const dialect = dialects.get(target.dialect)
  const isNative = dialect.nativeWire(target) === exchange.protocol.wire
  if (!isNative && neutral !== null) return clientsGaps(dialect, neutral, target)
  const gaps = target.quirks === undefined ? undefined : dialect.nativeGaps?.(settingsOf(exchange), target)
  const unable = inabilities(exchange, target.capabilities)
  return gaps === undefined || gaps.length === 0 ? unable : [...gaps, ...unable]
}

/** A target that an operator has switched off, its provider or its model. */
export function switchedOff({ facts, services }: ReadExchange<Speaker>, target: Target): Exclusion | null {
  const what = services.switches.ofTarget(target, facts.model)
  return what === null ? null : { targetId: target.id, reason: 'switched-off', what }
}

/** What to tell where switches are all that is in the way: the model, where it is that, else what serves it. */
function allOff(model: string, excluded: readonly Exclusion[]): Failure | null {
  if (excluded.length === 0) return null
  const kinds = excluded.map((exclusion) => (exclusion.reason === 'switched-off' ? exclusion.what : null))
  if (kinds.includes(null)) return null
  if (kinds.every((what) => what === 'model')) return { kind: 'switched-off', what: 'model', model }
  return { kind: 'switched-off', what: 'target', model, targets: excluded.map(({ targetId }) => targetId) }
}

/** An estimate this much above what a model takes may still fit. */
const LENGTH_MARGIN = 1.1

/** A prompt that doesn't fit a target by far is not sent to it. */
function tooLong(target: Target, promptTokens: () => number): Exclusion | null {
  const contextTokens = target.capabilities?.contextTokens
  if (contextTokens === undefined || promptTokens() <= LENGTH_MARGIN * contextTokens) return null
  return { targetId: target.id, reason: 'too-long', promptTokens: promptTokens(), contextTokens }
}

function once(compute: () => number): () => number {
  let known: number | null = null
  return () => (known ??= compute())
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
