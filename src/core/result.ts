// Expected failures are values. A Result is either a value or the reason there is none; nothing is thrown across a
// module boundary except what should be impossible.

/** Either a value or an expected failure. Discriminate on `ok`. */
export type Result<T, E> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly error: E }

/** A success. */
export function ok<T>(value: T): { readonly ok: true; readonly value: T } {
  return { ok: true, value }
}

/** An expected failure. */
export function err<E>(error: E): { readonly ok: false; readonly error: E } {
  return { ok: false, error }
}
