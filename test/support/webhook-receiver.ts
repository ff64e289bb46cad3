// The receiving end of webhooks: checks signatures as the Standard Webhooks specification says that receivers do, without
// any of the sender's code. https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
import * as z from 'zod/mini'

const TOLERANCE_SECONDS = 300

/** What a webhook about an alert says. */
export const WEBHOOK = z.object({
  type: z.string(),
  timestamp: z.string(),
  data: z.object({
    id: z.string(),
    kind: z.string(),
    tenant: z.nullable(z.object({ id: z.string(), name: z.nullable(z.string()) })),
    subject: z.object({ scope: z.string(), id: z.string(), name: z.nullable(z.string()) }),
    title: z.string(),
    text: z.string(),
    window: z.object({ start_ms: z.number(), end_ms: z.nullable(z.number()) }),
    facts: z.record(z.string(), z.unknown()),
    url: z.string(),
  }),
})

/** Why a message isn't genuine; null if it is. */
export async function objectionToWebhook(
  secret: string,
  headers: Headers,
  body: string,
  nowMs: number,
): Promise<string | null> {
  const [id, timestamp, signatures] = ['id', 'timestamp', 'signature'].map((name) => headers.get(`webhook-${name}`))
  if (!id || !timestamp || !signatures) return 'a header is missing'
  const seconds = Number(timestamp)
  if (!Number.isInteger(seconds)) return 'the timestamp is no number'
  if (Math.abs(Math.floor(nowMs / 1000) - seconds) > TOLERANCE_SECONDS) return 'the timestamp is too far away'
  const bytes = Uint8Array.from(atob(secret.replace(/^whsec_/, '')), (char) => char.charCodeAt(0))
  const key = await crypto.subtle.importKey('raw', bytes, { name: 'HMAC', hash: 'SHA-256' }, false, ['verify'])
  const content = new TextEncoder().encode(`${id}.${timestamp}.${body}`)
  for (const signature of signatures.split(' ')) {
    const [version, value = ''] = signature.split(',')
    if (version !== 'v1') continue
    const given = Uint8Array.from(atob(value), (char) => char.charCodeAt(0))
    if (await crypto.subtle.verify('HMAC', key, given, content)) return null
  }
  return 'no signature fits'
}
