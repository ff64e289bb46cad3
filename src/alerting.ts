// What the usage consumer does about alerts: delivers those that are due, when some were noted and every minute, and looks
// for what no limiter tells of. Beside the ledger, which must not wait for it nor fail with it.
import type { UsageEnv } from './env.ts'
import { tellListeners } from './control-plane/live/tell-listeners.ts'
import { deliverDue } from './ledger/alerts/deliver.ts'
import { noteAlerts } from './ledger/alerts/note-alerts.ts'
import { readRuleBook } from './ledger/alerts/rules.ts'
import { sendPortsOf } from './ledger/alerts/send-ports.ts'
import { findInCalls, forgetProviders } from './ledger/alerts/watch-calls.ts'
import { findAnomalies, findForecasts } from './ledger/alerts/watch-spend.ts'

/** What alerts need of the consumer's environment; and its secrets, by name. */
export type AlertingEnv = Pick<
  UsageEnv,
  'DB' | 'ALERT_KEY' | 'ALERT_MAIL' | 'ALERT_MAIL_FROM' | 'ALLOW_PRIVATE_ENDPOINTS' | 'LIVE_UPDATES'
>

const MINUTE_MS = 60_000
const HOUR_MS = 60 * MINUTE_MS
const ANOMALY_MINUTES = 5

/** Delivers what is due. Never rejects: what went wrong is tried again with the next minute. */
export async function deliverAlerts(env: AlertingEnv): Promise<void> {
  try {
    const { delivered, failed } = await deliverDue(
      env.DB,
      sendPortsOf(env, () => Date.now()),
    )
    // What became of telling somebody is for those alone who look after everything.
    if (delivered + failed > 0) await tellListeners(env, [{ kind: 'alerts', of: 'deployment' }])
    if (failed > 0) console.warn(JSON.stringify({ event: 'alerts-undelivered', delivered, failed }))
  } catch (error) {
    console.error(JSON.stringify({ event: 'alerts-unavailable', reason: String(error) }))
  }
}

/** Notes what is beyond the bounds: every minute in the calls of the last minutes, every five in the hour that runs, and
 *  every hour in the one before and in the month. Returns of how much nobody knew. Never rejects: the next look finds what this
 *  one didn't. */
export async function watchLedger(db: D1Database, nowMs: number, isHourly: boolean): Promise<number> {
  try {
    const book = await readRuleBook(db)
    const found = await Promise.all([
      findInCalls(db, book, nowMs),
      ...(isHourly ? [findAnomalies(db, book, nowMs - HOUR_MS, nowMs), findForecasts(db, book, nowMs)] : []),
      ...(Math.floor(nowMs / MINUTE_MS) % ANOMALY_MINUTES === 0 ? [findAnomalies(db, book, nowMs, nowMs)] : []),
    ])
    const noted = await noteAlerts(db, found.flat(), nowMs)
    if (isHourly) await forgetProviders(db, nowMs)
    return noted
  } catch (error) {
    console.error(JSON.stringify({ event: 'alert-watch-failed', reason: String(error) }))
    return 0
  }
}
