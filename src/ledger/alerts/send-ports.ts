// What sending alerts needs, out of a Worker's environment. The gateway, which tries channels out, and the usage consumer,
// which delivers, have it in the same way.
import type { Mail, SendPorts } from './send.ts'

/** What a Worker that sends alerts may have. */
export interface AlertEnv {
  readonly ALERT_KEY?: string
  readonly ALERT_MAIL?: { send(mail: Mail): Promise<unknown> }
  readonly ALERT_MAIL_FROM?: string
  readonly ALLOW_PRIVATE_ENDPOINTS?: string
}

/** The ports over `env`, whose secrets are read by name. */
export function sendPortsOf(env: AlertEnv, nowMs: () => number): SendPorts {
  const { ALERT_MAIL: binding, ALERT_MAIL_FROM: from = '' } = env
  return {
    fetch: (url, init) => fetch(url, init),
    mail: binding === undefined || from === '' ? null : { from, send: (mail) => binding.send(mail) },
    allowPrivate: env.ALLOW_PRIVATE_ENDPOINTS === 'true',
    master: env.ALERT_KEY,
    secret: (name) => {
      const value: unknown = Reflect.get(env, name)
      return typeof value === 'string' ? value : undefined
    },
    nowMs,
  }
}
