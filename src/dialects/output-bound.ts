// Which output bound goes to the provider. Separate, because every dialect must lower and none may raise.

/** The lower of the client's bound and the gateway's; null when neither gave one. Tokens. */
export function outputBound(requested: number | undefined, imposed: number | null): number | null {
  if (requested === undefined) return imposed
  return imposed === null ? requested : Math.min(requested, imposed)
}
