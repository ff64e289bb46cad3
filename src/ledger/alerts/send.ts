// Sends one alert to one channel, once: says whether the receiver took it and what it answered. Signed by Standard
// Webhooks, as Slack blocks, or as a mail.
import type { Json } from '../../core/json.ts'
import type { AlertRow } from './alert.ts'
import { type ChannelRow, type SecretStore, secretOf, urlObjection } from './channel.ts'
import { readSigningSecret, signatureHeaders } from './sign.ts'
import { type Words, factsOf, wordsOf } from './words.ts'

/** A mail, as the platform's binding takes it. */
export interface Mail {
  readonly from: string
  readonly to: string
  readonly subject: string
  readonly text: string
}

/** What sending needs of the world. */
export interface SendPorts extends SecretStore {
  readonly fetch: (url: string, init: RequestInit) => Promise<Response>
  /** Null where no mail binding or no sender's address is set. */
  readonly mail: { readonly from: string; readonly send: (mail: Mail) => Promise<unknown> } | null
  readonly allowPrivate: boolean
  readonly nowMs: () => number
}

/** What came of it. */
export interface Sent {
  readonly ok: boolean
  /** HTTP status; 0 where there is none. */
  readonly status: number
  /** In words: what the receiver answered, or what went wrong. Holds no secret. */
  readonly saw: string
  /** It will never go better: the receiver is gone for good. */
  readonly isFinal: boolean
  /** The receiver asks to wait so long. */
  readonly retryAfterMs: number | null
}

export const SEND_TIMEOUT_MS = 10_000
const ANSWER_CHARS_MAX = 300
const ANSWER_BYTES_MAX = 4_096
const USER_AGENT = 'tidegate-alerts'

/** Sends it. Never throws, and takes `SEND_TIMEOUT_MS` at most. */
export async function sendAlert(channel: ChannelRow, alert: AlertRow, ports: SendPorts): Promise<Sent> {
  try {
    switch (channel.kind) {
      case 'webhook':
        return await sendWebhook(channel, alert, ports)
      case 'slack':
        return await sendSlack(channel, alert, ports)
      case 'email':
        return await sendMail(channel, alert, ports)
    }
  } catch (error) {
    const isLate = error instanceof Error && error.name === 'TimeoutError'
    return failed(isLate ? `There was no answer within ${SEND_TIMEOUT_MS / 1000} seconds.` : 'There was no connection.')
  }
}

/** The body of a webhook, without the times of its sending. */
export function webhookBody(channel: ChannelRow, alert: AlertRow): string {
  const { title, lines } = wordsOf(alert)
  return JSON.stringify({
    type: `alert.${alert.kind}`,
    timestamp: new Date(alert.at_ms).toISOString(),
    data: {
      id: alert.id,
      kind: alert.kind,
      tenant: alert.tenant_id === '' ? null : { id: alert.tenant_id, name: alert.tenant_name },
      subject: { scope: alert.scope, id: alert.subject_id, name: alert.subject_name },
      title,
      text: lines.join(' '),
      window: { start_ms: alert.window_start_ms, end_ms: alert.window_end_ms },
      facts: factsOf(alert.facts),
      url: dashboardOf(channel),
    },
  })
}

/** The message that Slack shows; `text` is what notifications show. */
export function slackBody(channel: ChannelRow, alert: AlertRow): string {
  const { title, lines } = wordsOf(alert)
  const blocks: Json[] = [
    { type: 'header', text: { type: 'plain_text', text: title.slice(0, 150) } },
    { type: 'section', text: { type: 'plain_text', text: lines.join('\n').slice(0, 3000) } },
    {
      type: 'actions',
      elements: [
        { type: 'button', text: { type: 'plain_text', text: 'Open the dashboard' }, url: dashboardOf(channel) },
      ],
    },
  ]
  return JSON.stringify({ text: title, blocks })
}

async function sendWebhook(channel: ChannelRow, alert: AlertRow, ports: SendPorts): Promise<Sent> {
  const secret = await secretOf(channel, ports)
  if (!secret.ok) return failed(secret.error)
  const key = readSigningSecret(secret.value)
  if (key === null) return failed('The signing secret must be whsec_ and base64 of 24 to 64 bytes.')
  const body = webhookBody(channel, alert)
  const headers = await signatureHeaders(key, { id: alert.id, atMs: ports.nowMs(), body })
  return post(channel.address, body, headers, ports)
}

async function sendSlack(channel: ChannelRow, alert: AlertRow, ports: SendPorts): Promise<Sent> {
  const url = await secretOf(channel, ports)
  return url.ok ? post(url.value, slackBody(channel, alert), {}, ports) : failed(url.error)
}

async function sendMail(channel: ChannelRow, alert: AlertRow, { mail }: SendPorts): Promise<Sent> {
  if (mail === null) return failed('This Worker has no mail binding ALERT_MAIL, or no sender ALERT_MAIL_FROM.')
  const words = wordsOf(alert)
  const late = scheduler.wait(SEND_TIMEOUT_MS).then(() => 'late' as const)
  try {
    const sent = mail.send({
      from: mail.from,
      to: channel.address,
      subject: words.title,
      text: mailText(channel, words),
    })
    if ((await Promise.race([sent, late])) === 'late') {
      return failed(`There was no answer within ${SEND_TIMEOUT_MS / 1000} seconds.`)
    }
  } catch (error) {
    return failed(error instanceof Error ? error.message.slice(0, ANSWER_CHARS_MAX) : 'The mail was not taken.')
  }
  return { ok: true, status: 0, saw: 'The mail was taken.', isFinal: false, retryAfterMs: null }
}

function mailText(channel: ChannelRow, { title, lines }: Words): string {
  return [title, '', ...lines, '', dashboardOf(channel)].join('\n')
}

function dashboardOf({ origin }: ChannelRow): string {
  return `${origin}/dashboard`
}

/** Redirects aren't followed: they could lead anywhere. */
async function post(
  url: string,
  body: string,
  headers: Readonly<Record<string, string>>,
  ports: SendPorts,
): Promise<Sent> {
  const objection = urlObjection(url, ports.allowPrivate)
  if (objection !== null) return failed(`The URL ${objection}.`)
  const response = await ports.fetch(url, {
    method: 'POST',
    redirect: 'manual',
    body,
    headers: { 'content-type': 'application/json', 'user-agent': USER_AGENT, ...headers },
    signal: AbortSignal.timeout(SEND_TIMEOUT_MS),
  })
  const saw = await beginningOf(response)
  return {
    ok: response.ok,
    status: response.status,
    saw: saw === '' ? `HTTP ${response.status}` : `HTTP ${response.status}: ${saw}`,
    // What the standard has for a receiver that wants nothing any more.
    isFinal: response.status === 410,
    retryAfterMs: retryAfterOf(response),
  }
}

/** The first words of an answer: text of an error, without control characters. */
async function beginningOf(response: Response): Promise<string> {
  if (response.body === null) return ''
  const reader = response.body.getReader()
  const decoder = new TextDecoder()
  let text = ''
  let bytes = 0
  try {
    while (bytes < ANSWER_BYTES_MAX) {
      const { done, value } = await reader.read()
      if (done) break
      bytes += value.byteLength
      text += decoder.decode(value, { stream: true })
    }
    await reader.cancel()
  } catch {
    // The status has been given: what the body would have said is not worth a failure.
  }
  return text
    .replace(/\p{Cc}+/gu, ' ')
    .trim()
    .slice(0, ANSWER_CHARS_MAX)
}

function retryAfterOf(response: Response): number | null {
  const seconds = response.headers.get('retry-after')
  return seconds !== null && /^\d{1,5}$/.test(seconds) ? Number(seconds) * 1000 : null
}

function failed(saw: string): Sent {
  return { ok: false, status: 0, saw, isFinal: false, retryAfterMs: null }
}
