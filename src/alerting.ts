// What the usage consumer does about alerts: delivers those that are due, when some were noted and every minute. Beside the
// ledger, which must not wait for it nor fail with it.
import type { UsageEnv } from './env.ts'
import { deliverDue } from './ledger/alerts/deliver.ts'
import { sendPortsOf } from './ledger/alerts/send-ports.ts'

/** What alerts need of the consumer's environment; and its secrets, by name. */
export type AlertingEnv = Pick<
  UsageEnv,
  'DB' | 'ALERT_KEY' | 'ALERT_MAIL' | 'ALERT_MAIL_FROM' | 'ALLOW_PRIVATE_ENDPOINTS'
>

/** Delivers what is due. Never rejects: what went wrong is tried again with the next minute. */
export async function deliverAlerts(env: AlertingEnv): Promise<void> {
  try {
    const { delivered, failed } = await deliverDue(
      env.DB,
      sendPortsOf(env, () => Date.now()),
    )
    if (failed > 0) console.warn(JSON.stringify({ event: 'alerts-undelivered', delivered, failed }))
  } catch (error) {
    console.error(JSON.stringify({ event: 'alerts-unavailable', reason: String(error) }))
  }
}
