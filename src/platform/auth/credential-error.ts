// A credential that can't be used: it has not the form that its scheme wants, or nobody gives a token for it. Told apart
// from a missing connection, because waiting doesn't help and another target may serve.

/** The message may be shown to an operator: it names no secret's value. */
export class CredentialError extends Error {
  override readonly name = 'CredentialError'
}
