// Keyed digests of what is recognised without being stored: secrets of keys, names of end users. And how secrets are compared.

/** HMAC-SHA-256 of `text` under `secret`, in lower-case hex. */
export async function hmacHex(secret: string, text: string): Promise<string> {
  const encoder = new TextEncoder()
  const algorithm = { name: 'HMAC', hash: 'SHA-256' }
  const key = await crypto.subtle.importKey('raw', encoder.encode(secret), algorithm, false, ['sign'])
  return hexOf(await crypto.subtle.sign('HMAC', key, encoder.encode(text)))
}

/** SHA-256 of `text` in lower-case hex: enough for what is as long as the digest and as random. */
export async function sha256Hex(text: string): Promise<string> {
  return hexOf(await crypto.subtle.digest('SHA-256', new TextEncoder().encode(text)))
}

/** Whether two texts are the same. Takes as long for a near miss as for any other. */
export async function isSame(expected: string, actual: string): Promise<boolean> {
  const encoder = new TextEncoder()
  // Digests rather than the texts: equal lengths, and nothing about the text in the timing.
  const [one, other] = await Promise.all(
    [expected, actual].map((text) => crypto.subtle.digest('SHA-256', encoder.encode(text))),
  )
  return one !== undefined && other !== undefined && crypto.subtle.timingSafeEqual(one, other)
}

function hexOf(digest: ArrayBuffer): string {
  return Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, '0')).join('')
}
