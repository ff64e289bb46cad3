// Says an alert in plain words: what happened, to whom, how much of how much, since when, and what happens next. One text
// for every channel.
import { type JsonObject, isJsonObject, parseJson } from '../../core/json.ts'
import type { AlertRow } from './alert.ts'

/** An alert as people read it. */
export interface Words {
  /** One line. */
  readonly title: string
  /** Sentences, a line each. */
  readonly lines: readonly string[]
}

type Told = Pick<
  AlertRow,
  | 'kind'
  | 'tenant_id'
  | 'tenant_name'
  | 'scope'
  | 'subject_id'
  | 'subject_name'
  | 'window_start_ms'
  | 'window_end_ms'
  | 'at_ms'
  | 'facts'
>

/** The alert in words. What its facts lack is left out. */
export function wordsOf(alert: Told): Words {
  const facts = factsOf(alert.facts)
  switch (alert.kind) {
    case 'key-budget':
    case 'team-budget':
    case 'tenant-budget':
      return budgetWords(alert, facts)
    case 'runaway':
      return runawayWords(alert, facts)
    case 'error-rate':
      return errorWords(alert, facts)
    case 'provider-down':
      return downWords(alert, facts)
    case 'unknown-price':
      return priceWords(alert, facts)
    case 'forecast':
      return forecastWords(alert, facts)
    case 'anomaly':
      return anomalyWords(alert, facts)
    case 'rolled-back':
      return rolledBackWords(alert, facts)
  }
}

/** The facts of an alert; empty where they can't be read. */
export function factsOf(text: string): JsonObject {
  const facts = parseJson(text)
  return isJsonObject(facts) ? facts : {}
}

/** Nano-USD for people: cents from a dollar on, else as many decimals as it takes. */
export function dollars(nanoUsd: number): string {
  const usd = nanoUsd / 1e9
  if (Math.abs(usd) >= 1 || nanoUsd === 0) return `$${usd.toFixed(2)}`
  return `$${usd.toFixed(9).replace(/0{1,7}$/, '')}`
}

/** An instant for people, to the minute. */
export function instant(atMs: number): string {
  return `${new Date(atMs).toISOString().slice(0, 16).replace('T', ' ')} UTC`
}

function budgetWords(alert: Told, facts: JsonObject): Words {
  const percent = numberOf(facts, 'percent')
  const [spent, limit] = [dollars(numberOf(facts, 'spent_nano_usd')), dollars(numberOf(facts, 'limit_nano_usd'))]
  const model = typeof facts.model === 'string' ? ` for ${facts.model}` : ''
  const ends = alert.window_end_ms === null ? '' : ` until ${instant(alert.window_end_ms)}`
  const next =
    percent >= 100
      ? `The budget is used up: requests under it are refused${ends}, or wait or take another model where its limits say so.`
      : `Nothing is refused yet. At 100 % requests under it are refused${ends}, or wait or take another model where its limits say so.`
  return {
    title: `${percent} % of the ${periodWord(facts)} budget${model} of ${subjectOf(alert)} is used`,
    lines: [
      `${spent} of ${limit} is spent${whose(alert)}, since ${instant(alert.window_start_ms)}.`,
      `It was crossed at ${instant(alert.at_ms)}.`,
      next,
    ],
  }
}

function runawayWords(alert: Told, facts: JsonObject): Words {
  const [now, usual] = [numberOf(facts, 'per_hour_nano_usd'), numberOf(facts, 'usual_per_hour_nano_usd')]
  const done: Readonly<Record<string, string>> = {
    throttle: 'It is slowed down to what is usual until it has calmed down.',
    stop: 'Its requests are refused for an hour at least, and until it has calmed down.',
  }
  return {
    title: `Spending of ${subjectOf(alert)} runs away`,
    lines: [
      `It spends ${dollars(now)} an hour${whose(alert)}; its busiest hour of the last days was ${dollars(usual)}.`,
      `It has done so since ${instant(alert.at_ms)}.`,
      done[String(facts.action)] ?? 'Nothing is slowed down or refused for it.',
    ],
  }
}

function errorWords(alert: Told, facts: JsonObject): Words {
  const [errors, calls] = [numberOf(facts, 'errors'), numberOf(facts, 'calls')]
  return {
    title: `${numberOf(facts, 'percent')} % of the calls of ${subjectOf(alert)} fail`,
    lines: [
      `${errors} of ${calls} calls failed${whose(alert)} in the five minutes before ${instant(alert.at_ms)}.`,
      `You are told at ${numberOf(facts, 'bound_percent')} %, once an hour. Requests fall back to other targets where their route has any.`,
    ],
  }
}

function downWords(alert: Told, facts: JsonObject): Words {
  const sinceMs = numberOf(facts, 'since_ms')
  const minutes = Math.max(Math.round((alert.at_ms - sinceMs) / 60_000), 1)
  const kind = typeof facts.failure === 'string' ? ` (${facts.failure})` : ''
  return {
    title: `${subjectOf(alert)} has been down for ${minutes} minutes`,
    lines: [
      `No call of it has succeeded since ${instant(sinceMs)}; ${numberOf(facts, 'failures')} failed${kind}.`,
      'Its targets are left out of routes, and tried from time to time, until they answer again. You are told once an hour.',
    ],
  }
}

function priceWords(alert: Told, facts: JsonObject): Words {
  const provider = typeof facts.provider === 'string' && facts.provider !== '' ? ` of ${facts.provider}` : ''
  return {
    title: `${alert.subject_id}${provider} was used and has no price`,
    lines: [
      `${numberOf(facts, 'calls')} calls of it were made${whose(alert)} since ${instant(numberOf(facts, 'since_ms'))}.`,
      'What they cost is not known, so budgets and reports can be wrong until it has a price. You are told once a day.',
    ],
  }
}

function forecastWords(alert: Told, facts: JsonObject): Words {
  const [projected, limit] = [
    dollars(numberOf(facts, 'projected_nano_usd')),
    dollars(numberOf(facts, 'limit_nano_usd')),
  ]
  return {
    title: `At this pace the month of ${subjectOf(alert)} costs ${projected}, its budget is ${limit}`,
    lines: [
      `${dollars(numberOf(facts, 'spent_nano_usd'))} is spent${whose(alert)}, since ${instant(alert.window_start_ms)}.`,
      'Nothing is refused yet. You are told once a month.',
    ],
  }
}

function anomalyWords(alert: Told, facts: JsonObject): Words {
  return {
    title: `This hour of ${subjectOf(alert)} costs far more than usual`,
    lines: [
      `${dollars(numberOf(facts, 'spent_nano_usd'))} is spent${whose(alert)} since ${instant(alert.window_start_ms)}; the same hour of the weeks before cost ${dollars(numberOf(facts, 'usual_nano_usd'))}.`,
      'Nothing is slowed down or refused for it.',
    ],
  }
}

function rolledBackWords(alert: Told, facts: JsonObject): Words {
  const [failures, requests] = [numberOf(facts, 'failures'), numberOf(facts, 'requests')]
  const isDone = facts.is_taken_back === true
  return {
    title: `Revision ${alert.subject_id} of the configuration failed${isDone ? ' and was taken back' : ''}`,
    lines: [
      `${failures} of ${requests} calls of what it touched failed since ${instant(alert.window_start_ms)}, ${numberOf(facts, 'seen')} of them as the client's answer.`,
      isDone
        ? `What it changed is as it was before, as revision ${numberOf(facts, 'new_revision')}. The audit log has what was left.`
        : 'What it changed has been changed again since, so it was left as it is: look after it.',
    ],
  }
}

function subjectOf({ scope, subject_id, subject_name }: Told): string {
  const word = scope === 'user' ? 'an end user' : scope
  return scope === 'user' ? word : `${word} ${subject_name ?? subject_id}`
}

function whose({ scope, tenant_id, tenant_name }: Told): string {
  return scope === 'tenant' || tenant_id === '' ? '' : ` for ${tenant_name ?? tenant_id}`
}

function periodWord(facts: JsonObject): string {
  const period = String(facts.period)
  const words: Readonly<Record<string, string>> = { hour: 'hourly', day: 'daily', week: 'weekly', month: 'monthly' }
  const stretch = /^(\d+)d@/.exec(period)
  return words[period] ?? (stretch === null ? period : `${stretch[1]}-day`)
}

function numberOf(facts: JsonObject, name: string): number {
  const value = facts[name]
  return typeof value === 'number' ? value : 0
}
