// By what the page speaks to the admin API: a token, which lives in this tab's sessionStorage, so that it is gone with the tab
// and never sent by the browser on its own; or a session, whose secret is in a cookie that no script can read.

/** Of a session, the word that goes with every change. */
export type Credential =
  { readonly kind: 'token'; readonly token: string } | { readonly kind: 'session'; readonly csrf: string }

/** A session whose word isn't known yet: good for reading. */
export const COOKIE: Credential = { kind: 'session', csrf: '' }

const TOKEN_NAME = 'tidegate.admin-token'

/** The token of this tab; null when signed out (or when the browser refuses storage). */
export function readToken(): string | null {
  try {
    return sessionStorage.getItem(TOKEN_NAME)
  } catch {
    return null
  }
}

/** Keeps the token for reloads of this tab. Where storage is refused, the sign-in lasts until the reload. */
export function keepToken(token: string): void {
  try {
    sessionStorage.setItem(TOKEN_NAME, token)
  } catch {
    // Storage is blocked by the browser's settings; the token stays in memory only.
  }
}

/** Forgets the token. */
export function forgetToken(): void {
  try {
    sessionStorage.removeItem(TOKEN_NAME)
  } catch {
    // Nothing was kept.
  }
}
