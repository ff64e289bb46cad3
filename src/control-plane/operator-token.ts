// Who may operate the deployment: whoever holds ADMIN_TOKEN. One answer for every wrong token, in constant time, and no
// access at all until a token is set. Shared by the admin API and the usage consumer's operator routes.

/** `closed`: no token is set (or one too short to be safe). `denied`: not this token. */
export type OperatorAccess = 'granted' | 'denied' | 'closed'

/** A shorter token could be guessed. */
export const ADMIN_TOKEN_LENGTH_MIN = 16

/** Whether an `Authorization` header carries the admin token. Takes as long for a near miss as for any other. */
export async function operatorAccess(
  adminToken: string | undefined,
  authorization: string | null,
): Promise<OperatorAccess> {
  if (adminToken === undefined || adminToken.length < ADMIN_TOKEN_LENGTH_MIN) return 'closed'
  const offered = /^Bearer +(\S+)$/i.exec(authorization ?? '')?.[1] ?? ''
  const [expected, actual] = await Promise.all([digest(adminToken), digest(offered)])
  return crypto.subtle.timingSafeEqual(expected, actual) ? 'granted' : 'denied'
}

/** Digests are compared rather than the tokens: equal lengths, and nothing about the token in the timing. */
function digest(text: string): Promise<ArrayBuffer> {
  return crypto.subtle.digest('SHA-256', new TextEncoder().encode(text))
}
