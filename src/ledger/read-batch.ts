// Reads one message of the usage Queue and says in words what is wrong with a bad one. Separate from applying it, because
// a message that can't be read must never reach the database: it would be retried for days.
import { isJsonObject, parseJson, type Json, type JsonObject } from '../core/json.ts'
import { err, ok, type Result } from '../core/result.ts'
import { SERVICE_TIERS, UNIT_KINDS, USAGE_BUCKETS } from '../core/money/usage.ts'
import { USAGE_EVENT_VERSION, unpackEvent } from '../core/money/usage-event.ts'
import { type NewAlert, isAlertEvent, readAlertEvent } from './alerts/alert.ts'
import { rowOf } from './columns.ts'
import { QUARTER_MS } from './days.ts'

/** A message that may be applied. */
export interface ReadableBatch {
  readonly tenantId: string
  readonly outboxId: number
  /** JSON text: a `rowOf` for each event, with commas between. Events of kinds that the ledger doesn't count are left out. */
  readonly rows: string
  /** The quarters of an hour in which the events started, by their beginnings. */
  readonly quarters: readonly number[]
  /** The teams that the events are of; '' for those of none. */
  readonly teamIds: readonly string[]
  /** Alerts that travelled with them. */
  readonly alerts: readonly NewAlert[]
  /** Names the first event: with tenant and outbox row, what makes two deliveries the same message. */
  readonly firstEvent: string
}

/** More events in one message than the Queue's size limit could ever carry. */
const EVENTS_MAX = 2000
/** Names a message without events: the beginning of what it has. */
const NAME_CHARS_MAX = 200

/** Reads a message's body. Every event is checked: all fields present and of their type, all of the batch's tenant. */
export function readBatch(body: unknown): Result<ReadableBatch, string> {
  if (!isJsonObject(body)) return err('the message is not an object')
  const { v, tenantId, outboxId, events } = body
  if (v !== USAGE_EVENT_VERSION) return err(`v is ${JSON.stringify(v)}; this consumer reads ${USAGE_EVENT_VERSION}`)
  if (!isText(tenantId) || tenantId === '') return err('tenantId is not a text')
  if (!isInteger(outboxId)) return err('outboxId is not an integer')
  if (typeof events !== 'string') return err('events is not a text')
  const list = parseJson(events)
  if (!Array.isArray(list)) return err('events is not a JSON array')
  if (list.length === 0 || list.length > EVENTS_MAX) return err(`events holds ${list.length} events`)
  const full = list.map((event) => (isJsonObject(event) ? unpackEvent(event) : event)).filter(isCounted)
  for (const [at, event] of full.entries()) {
    const problem = eventProblem(event, tenantId)
    if (problem !== null) return err(`events[${at}]${problem}`)
  }
  const alerts: NewAlert[] = []
  for (const [at, event] of list.entries()) {
    if (!isAlertEvent(event)) continue
    const alert = readAlertEvent(event, tenantId)
    if (!alert.ok) return err(`events[${at}]${alert.error}`)
    alerts.push(alert.value)
  }
  const firstEvent = full.length > 0 ? eventName(full[0]) : JSON.stringify(list[0]).slice(0, NAME_CHARS_MAX)
  const rows = JSON.stringify(full.filter(isJsonObject).map(rowOf)).slice(1, -1)
  return ok({ tenantId, outboxId, firstEvent, rows, alerts, quarters: quartersOf(full), teamIds: teamsOf(full) })
}

function quartersOf(events: readonly Json[]): readonly number[] {
  const starts = events.map((event) => (isJsonObject(event) ? event.startedAtMs : 0))
  return [...new Set(starts.filter(isInteger).map((ms) => ms - (ms % QUARTER_MS)))]
}

function teamsOf(events: readonly Json[]): readonly string[] {
  const teams = events.map((event) => (isJsonObject(event) ? event.teamId : null))
  return [...new Set(teams.map((team) => (isText(team) ? team : '')))]
}

/** Alerts aren't counted, nor is whatever a later gateway may send along; a bad event is told of. */
function isCounted(event: Json): boolean {
  return !isJsonObject(event) || !isText(event.kind) || event.kind === 'cost' || event.kind === 'adj'
}

/** Tenant and outbox row of a message, as far as they can be read, so that even a bad one can be confirmed. */
export function readOrigin(body: unknown): { readonly tenantId: string; readonly outboxId: number } | null {
  if (!isJsonObject(body) || !isText(body.tenantId) || body.tenantId === '' || !isInteger(body.outboxId)) return null
  return { tenantId: body.tenantId, outboxId: body.outboxId }
}

function eventName(event: Json | undefined): string {
  if (!isJsonObject(event)) return ''
  return [event.requestId, event.attempt, event.kind].map(String).join('#')
}

type Check = (value: Json | undefined) => boolean

const isText = (value: Json | undefined): value is string => typeof value === 'string'
const isTextOrNull: Check = (value) => value === null || isText(value)
const isInteger = (value: Json | undefined): value is number => Number.isSafeInteger(value)
const isCount: Check = (value) => isInteger(value) && value >= 0
const isFlag: Check = (value) => typeof value === 'boolean'
const oneOf =
  (...allowed: readonly string[]): Check =>
  (value) =>
    isText(value) && allowed.includes(value)

const EVENT_FIELDS: Readonly<Record<string, Check>> = {
  v: (value) => value === USAGE_EVENT_VERSION,
  kind: oneOf('cost', 'adj'),
  requestId: (value) => isText(value) && value !== '',
  attempt: isCount,
  startedAtMs: isCount,
  teamId: isTextOrNull,
  keyId: isText,
  costCenter: isTextOrNull,
  endUser: isTextOrNull,
  tags: (value) => Array.isArray(value) && value.every(isText),
  traceId: isTextOrNull,
  protocol: isText,
  streamed: isFlag,
  requestedModel: isText,
  route: isText,
  targetId: isTextOrNull,
  provider: isTextOrNull,
  model: isTextOrNull,
  status: isCount,
  ending: isText,
  failure: isTextOrNull,
  cache: isText,
  isFinal: isFlag,
  isEstimated: isFlag,
  costNanoUsd: isInteger,
  savedNanoUsd: isInteger,
  priceVersion: isTextOrNull,
  isUnpriced: isFlag,
  latencyMs: isCount,
  ttftMs: (value) => value === null || isCount(value),
  credential: isTextOrNull,
  plan: isTextOrNull,
  parentSpan: isTextOrNull,
  afterMs: isCount,
}

const EVENT_CHECKS = Object.entries(EVENT_FIELDS)

function eventProblem(event: Json | undefined, tenantId: string): string | null {
  if (!isJsonObject(event)) return ' is not an object'
  if (event.tenantId !== tenantId) return '.tenantId is not the tenant of the message'
  for (const [field, check] of EVENT_CHECKS) {
    if (!check(event[field])) return `.${field} is ${describe(event[field])}`
  }
  return usageProblem(event)
}

/** Only a correction may take tokens or money back. */
function usageProblem(event: JsonObject): string | null {
  const mayBeNegative = event.kind === 'adj'
  const allowed: Check = mayBeNegative ? isInteger : isCount
  if (!allowed(event.costNanoUsd)) return `.costNanoUsd is ${describe(event.costNanoUsd)}`
  if (!isJsonObject(event.usage)) return '.usage is not an object'
  for (const field of USAGE_BUCKETS) {
    if (!allowed(event.usage[field])) return `.usage.${field} is ${describe(event.usage[field])}`
  }
  return extrasProblem(event.usage, allowed)
}

function extrasProblem({ tier, units = {} }: JsonObject, allowed: Check): string | null {
  if (tier !== undefined && !oneOf(...SERVICE_TIERS)(tier)) return `.usage.tier is ${describe(tier)}`
  if (!isJsonObject(units)) return '.usage.units is not an object'
  const bad = Object.entries(units).find(([kind, count]) => !oneOf(...UNIT_KINDS)(kind) || !allowed(count))
  return bad === undefined ? null : `.usage.units.${bad[0]} is ${describe(bad[1])}`
}

function describe(value: Json | undefined): string {
  return value === undefined ? 'missing' : JSON.stringify(value).slice(0, 60)
}
