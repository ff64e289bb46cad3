// Whether a passed-through request is the caller's to make, and which target it goes to. Decided in two steps: by method and path
// before the body is read, and by what the body names.
import { type Inference, inferenceAt } from '../../catalog/inference.ts'
import { keptReference } from '../../catalog/kept-at-provider.ts'
import { type Caller, type Route, type Target, modelMatches } from '../../core/directory.ts'
import type { Failure, NotPassedThrough } from '../../core/failure.ts'
import type { JsonObject } from '../../core/json.ts'
import { type PassedPath, passedPath } from '../../core/guard/pass-through-path.ts'
import { PASS_THROUGH_USUAL, type PassThroughPolicy } from '../../core/guard/pass-through-policy.ts'
import { type Result, err, ok } from '../../core/result.ts'
import { targetsOfGroup } from '../../core/routing/route-group.ts'
import { ruling } from '../../core/routing/route-rules.ts'
import type { Speaker } from '../../protocols/protocol.ts'
import { arrayOf, objectOf, stringOf } from '../../wire/read.ts'
import type { ReadExchange } from '../exchange.ts'
import { isAllowed } from '../route/route.ts'
import { routeFacts } from '../route/route-facts.ts'

/** What is asked: `path` is what comes behind the provider's name. */
export interface Asked {
  readonly name: string
  readonly method: string
  readonly path: string
}

/** A target that the caller's routes reach. */
export interface Reachable {
  readonly route: Route
  readonly target: Target
}

/** A target with the path that the request has there, and what it runs there; null where it runs no model. */
export interface Opening extends Reachable {
  readonly passed: PassedPath
  readonly inference: Inference | null
}

/** Where a request goes. */
export interface Choice extends Opening {
  /** The model that it names; null for none. */
  readonly model: string | null
}

/** The targets that the request may go to as far as its path tells. */
export function openings(
  caller: Caller,
  reachable: readonly Reachable[],
  asked: Asked,
): Result<readonly Opening[], Failure> {
  const policy = policyOf(caller)
  const subject = `${asked.method} /${asked.name}${asked.path}`
  if (policy === 'off') return err(refusal('off', subject, 'models'))
  const open: Opening[] = []
  let wrong = ''
  for (const { route, target } of reachable) {
    const passed = passedPath(target.baseUrl, asked.path === '' ? '/' : asked.path)
    if (passed.ok) {
      const inference = inferenceAt(target.dialect, asked.method, passed.value)
      open.push({ route, target, passed: passed.value, inference })
    } else wrong = passed.error
  }
  if (open.length === 0) return err({ kind: 'invalid-request', field: null, message: `Invalid path: ${wrong}.` })
  const running = open.filter(({ inference }) => inference !== null)
  if (running.length > 0 || !runsOnly(caller)) return ok(running.length > 0 ? running : open)
  return err(refusal('runs-no-model', subject, neededBeyond(caller)))
}

/** The one that it goes to: the target of this model, else one for every model, else the first. Or why none. */
export function choose(
  caller: Caller,
  open: readonly Opening[],
  body: JsonObject,
  asked: Asked,
): Result<Choice, Failure> {
  const [first] = open
  if (first === undefined) return err({ kind: 'endpoint-not-found', path: `/${asked.name}${asked.path}` })
  const model = first.inference?.model ?? bareName(stringOf(body['model']))
  const refused = runsOnly(caller) ? whyNot(caller, { open, model, body, asked }) : null
  if (refused !== null) return err(refused)
  const chosen =
    open.find(({ target }) => target.model === model) ??
    open.find((opening) => model !== null && leadsTo(opening, model)) ??
    open.find(({ target }) => target.model === '*') ??
    first
  return ok({ ...chosen, model })
}

/** Why the rules of the route keep a call of a model from its target; null where they don't. */
export function againstRules(
  exchange: ReadExchange<Speaker>,
  { route, target, inference }: Choice,
  promptTokens: () => number,
): Failure | null {
  if (route.rules === undefined || inference === null) return null
  const { model } = exchange.facts
  const ruled = ruling(route.rules, routeFacts(exchange, promptTokens))
  if (ruled.refusal !== null) return { kind: 'refused-by-rule', model, ...ruled.refusal }
  const isElsewhere = ruled.use !== null && !targetsOfGroup(ruled.use.group).includes(target.id)
  const rule = ruled.excludedBy(target) ?? (isElsewhere ? (ruled.use?.rule ?? null) : null)
  if (rule === null) return null
  const message = `The rule ${JSON.stringify(rule)} of the model's route keeps this request from ${target.id}.`
  return { kind: 'refused-by-rule', model, rule, message }
}

/** Why a request that may only run models isn't this caller's; null when it is. */
function whyNot(
  caller: Caller,
  { open, model, body, asked }: { open: readonly Opening[]; model: string | null; body: JsonObject; asked: Asked },
): Failure | null {
  if (model === null) {
    return refusal('names-no-model', `${asked.method} /${asked.name}${asked.path}`, neededBeyond(caller))
  }
  for (const named of [model, ...othersIn(body)]) {
    if (!isAllowed(caller, named)) return { kind: 'model-not-allowed', model: named }
    const isRouted = open.some((opening) => leadsTo(opening, named))
    if (!isRouted && policyOf(caller) === 'models') return refusal('unrouted-model', named, 'all')
  }
  const kept = keptReference(body)
  return kept === null ? null : refusal('kept-reference', kept, neededBeyond(caller))
}

function policyOf({ passThrough = PASS_THROUGH_USUAL }: Caller): PassThroughPolicy {
  return passThrough
}

/** Whether the caller may run models and nothing else: what is kept at a provider belongs to all models, so a key for some
 *  has no business there. */
function runsOnly(caller: Caller): boolean {
  return policyOf(caller) === 'models' || caller.allowedModels.length > 0
}

function neededBeyond(caller: Caller): NotPassedThrough['needed'] {
  return policyOf(caller) === 'all' ? null : 'all'
}

function refusal(
  reason: NotPassedThrough['reason'],
  subject: string,
  needed: NotPassedThrough['needed'],
): NotPassedThrough {
  return { kind: 'not-passed-through', reason, subject, needed }
}

/** Whether a route leads to `model` at this target, under the name that the provider knows it by. */
function leadsTo({ route, target }: Reachable, model: string): boolean {
  return target.model === '*' ? modelMatches(route.model, model) : target.model === model
}

/** Models that a body names beside the one it asks: to fall back on, for a tool, for each of many inputs. */
function othersIn(body: JsonObject): readonly string[] {
  const within = [...arrayOf(body['requests']), ...arrayOf(body['tools']), ...arrayOf(body['fallbacks']), body]
  const named = [
    ...arrayOf(body['models']),
    ...arrayOf(body['fallbacks']),
    ...within.map((item) => objectOf(item)['model']),
  ]
  return named.flatMap((value) => bareName(stringOf(value)) ?? [])
}

/** Gemini's bodies call a model by its place. */
function bareName(model: string | null): string | null {
  return model === null ? null : model.replace(/^models\//, '')
}
