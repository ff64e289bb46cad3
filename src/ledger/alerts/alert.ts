// What an alert is, and how what a limiter tells becomes one: each says who, what and in which window, and exists once for
// these however often it is told. Money is nano-USD, times are epoch ms.
import { type Json, type JsonObject, isJsonObject } from '../../core/json.ts'
import { err, ok, type Result } from '../../core/result.ts'
import { periodName } from '../../core/limits/window.ts'

/** Everything that somebody may want to be told. */
export const ALERT_KINDS = [
  /** A share of a budget is used. */
  'key-budget',
  'team-budget',
  'tenant-budget',
  /** Spending is far beyond its own habits. */
  'runaway',
  /** Too many attempts of a key, a model or a provider fail. */
  'error-rate',
  /** A provider's targets have not been called for too long, because they fail. */
  'provider-down',
  /** A model was used that has no price. */
  'unknown-price',
  /** At this pace a budget of the month won't last. */
  'forecast',
  /** An hour of a key costs far more than such hours usually do. */
  'anomaly',
  /** A revision of the configuration failed, and was taken back. */
  'rolled-back',
] as const
export type AlertKind = (typeof ALERT_KINDS)[number]

/** What an alert is about. */
export type AlertScope = 'tenant' | 'team' | 'key' | 'user' | 'target' | 'model' | 'provider' | 'revision'

/** Something that happened and that somebody should know. */
export interface NewAlert {
  readonly kind: AlertKind
  /** Empty for what concerns the whole deployment. */
  readonly tenantId: string
  readonly scope: AlertScope
  readonly subjectId: string
  /** With tenant and window, what makes two of them the same. */
  readonly what: string
  readonly windowStartMs: number
  /** Null for what has no end that is known. */
  readonly windowEndMs: number | null
  readonly atMs: number
  readonly facts: JsonObject
}

/** An alert as it is kept: with the names of the time, since names change. */
export interface AlertRow {
  readonly seq: number
  readonly id: string
  readonly kind: AlertKind
  readonly tenant_id: string
  readonly tenant_name: string | null
  readonly team_id: string | null
  readonly key_id: string | null
  readonly scope: AlertScope
  readonly subject_id: string
  readonly subject_name: string | null
  readonly what: string
  readonly window_start_ms: number
  readonly window_end_ms: number | null
  readonly at_ms: number
  readonly noted_at_ms: number
  /** JSON */
  readonly facts: string
}

/** Whether an event of the usage queue is an alert rather than a charge. */
export function isAlertEvent(event: Json): event is JsonObject {
  return isJsonObject(event) && (event.kind === 'threshold' || event.kind === 'runaway')
}

/** Reads an alert that travelled with a tenant's events; else says which of its fields is wrong. */
export function readAlertEvent(event: JsonObject, tenantId: string): Result<NewAlert, string> {
  if (event.tenantId !== tenantId) return err('.tenantId is not the tenant of the message')
  const { scope, ownerId } = event
  if (!isScope(scope)) return err(`.scope is ${shown(scope)}`)
  if (typeof ownerId !== 'string') return err(`.ownerId is ${shown(ownerId)}`)
  const subject: Subject = { tenantId, scope, subjectId: ownerId }
  return event.kind === 'threshold' ? readThreshold(event, subject) : readRunaway(event, subject)
}

interface Subject {
  readonly tenantId: string
  readonly scope: EventScope
  readonly subjectId: string
}

const EVENT_SCOPES = ['tenant', 'team', 'key', 'user', 'target'] as const
type EventScope = (typeof EVENT_SCOPES)[number]
const RUNAWAY_ACTIONS = ['alert', 'throttle', 'stop'] as const

function isScope(value: Json | undefined): value is EventScope {
  return EVENT_SCOPES.some((scope) => scope === value)
}

/** A raised budget is another one: its shares are told anew. */
function readThreshold(event: JsonObject, subject: Subject): Result<NewAlert, string> {
  const numbers = new Numbers(event)
  const percent = numbers.at('percent')
  const limitNanoUsd = numbers.at('limitNanoUsd')
  const facts = { percent, limit_nano_usd: limitNanoUsd, spent_nano_usd: numbers.at('spentNanoUsd') }
  const times = {
    windowStartMs: numbers.at('windowStartMs'),
    windowEndMs: numbers.at('windowEndMs'),
    atMs: numbers.at('atMs'),
  }
  if (numbers.problem !== null) return err(numbers.problem)
  const period = readPeriod(event.period)
  if (period === null) return err(`.period is ${shown(event.period)}`)
  const model = event.model ?? null
  if (model !== null && typeof model !== 'string') return err(`.model is ${shown(model)}`)
  const { scope, subjectId } = subject
  return ok({
    ...subject,
    ...times,
    kind: scope === 'key' ? 'key-budget' : scope === 'team' ? 'team-budget' : 'tenant-budget',
    what: ['budget', scope, subjectId, model ?? '', period, percent, limitNanoUsd].join(' '),
    facts: { ...facts, period, model },
  })
}

function readRunaway(event: JsonObject, subject: Subject): Result<NewAlert, string> {
  const numbers = new Numbers(event)
  const facts = {
    per_hour_nano_usd: numbers.at('perHourNanoUsd'),
    usual_per_hour_nano_usd: numbers.at('baselinePerHourNanoUsd'),
    threshold_per_hour_nano_usd: numbers.at('thresholdPerHourNanoUsd'),
  }
  const atMs = numbers.at('atMs')
  if (numbers.problem !== null) return err(numbers.problem)
  const action = RUNAWAY_ACTIONS.find((one) => one === event.action)
  if (action === undefined) return err(`.action is ${shown(event.action)}`)
  return ok({
    ...subject,
    kind: 'runaway',
    what: ['runaway', subject.scope, subject.subjectId].join(' '),
    // The limiter tells of each episode once; nobody knows when it ends.
    windowStartMs: atMs,
    windowEndMs: null,
    atMs,
    facts: { ...facts, action },
  })
}

/** The period's name; null for what is none. */
function readPeriod(value: Json | undefined): string | null {
  if (value === 'hour' || value === 'day' || value === 'week' || value === 'month') return value
  if (!isJsonObject(value)) return null
  const { everyDays, from } = value
  return typeof everyDays === 'number' && typeof from === 'string' ? periodName({ everyDays, from }) : null
}

/** Reads numbers, and remembers the first that isn't one. */
class Numbers {
  problem: string | null = null
  readonly #event: JsonObject

  constructor(event: JsonObject) {
    this.#event = event
  }

  /** An integer: a limiter's rates may have fractions. 0 for what is no number. */
  at(name: string): number {
    const value = this.#event[name]
    if (typeof value === 'number' && Number.isFinite(value)) return Math.round(value)
    this.problem ??= `.${name} is ${shown(value)}`
    return 0
  }
}

function shown(value: Json | undefined): string {
  return value === undefined ? 'missing' : JSON.stringify(value).slice(0, 60)
}
