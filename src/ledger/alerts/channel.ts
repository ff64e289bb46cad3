// Where alerts go: webhooks, Slack, mailboxes. A channel's secret is encrypted in D1 or a secret of the Worker; it is only
// ever read to send.
import { checkEndpoint } from '../../core/guard/endpoint-guard.ts'
import { err, ok, type Result } from '../../core/result.ts'
import { MASTER_LENGTH_MIN, unseal } from './seal.ts'

export const CHANNEL_KINDS = ['webhook', 'slack', 'email'] as const
export type ChannelKind = (typeof CHANNEL_KINDS)[number]

/** A channel as it is kept. */
export interface ChannelRow {
  readonly id: string
  readonly name: string
  readonly kind: ChannelKind
  /** URL of a webhook, or address of a mailbox; of Slack, whose URL is a secret, only its host. */
  readonly address: string
  readonly sealed: string | null
  /** Of the Worker secret in its place. */
  readonly secret_name: string | null
  /** JSON lists of text; empty for everything. */
  readonly kinds: string
  readonly tenants: string
  readonly teams: string
  readonly keys: string
  readonly is_on: number
  readonly origin: string
  readonly created_at_ms: number
}

/** Only secrets of such names can be a channel's, so that no other secret can be sent anywhere. */
export const SECRET_NAME = /^[A-Z][A-Z0-9_]{0,99}_(?:WEBHOOK_SECRET|WEBHOOK_URL)$/

/** What opens channels' secrets. */
export interface SecretStore {
  /** The secret ALERT_KEY. */
  readonly master: string | undefined
  /** A secret of this Worker, by name. */
  readonly secret: (name: string) => string | undefined
}

/** A channel's secret, or why there is none, in words that may be shown. */
export async function secretOf(channel: ChannelRow, { master, secret }: SecretStore): Promise<Result<string, string>> {
  if (channel.secret_name !== null) {
    const value = secret(channel.secret_name)
    return value === undefined || value === ''
      ? err(`This Worker has no secret named ${channel.secret_name}.`)
      : ok(value)
  }
  if (channel.sealed === null) return err('The channel has no secret.')
  if (master === undefined || master.length < MASTER_LENGTH_MIN) return err('This Worker has no secret ALERT_KEY.')
  const opened = await unseal(master, channel.id, channel.sealed)
  return opened === null ? err('The secret was kept under another ALERT_KEY: set it anew.') : ok(opened)
}

/** Why alerts may not be sent to a URL, completing "<field> …"; null if they may. A query is allowed: many receivers are
 *  told apart by it. */
export function urlObjection(text: string, allowPrivate: boolean): string | null {
  const url = URL.parse(text)
  if (url === null) return 'must be a URL such as "https://example.com/alerts"'
  const { protocol, username, password, hostname, port, pathname, hash } = url
  const parts = { protocol, username, password, hostname, port, pathname, search: '', hash }
  if (protocol !== 'https:' && protocol !== 'http:') return 'must begin with https://'
  const checked = checkEndpoint(parts, { allowPrivate, services: [] })
  return checked.ok ? null : checked.error
}
