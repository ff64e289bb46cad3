// What the admin API says of providers' credentials: never what they are.

export interface ApiCredential {
  readonly name: string
  /** Null: for targets of any provider. */
  readonly provider: string | null
  readonly kind: 'stored' | 'worker-secret' | 'secrets-store'
  /** The secret that it stands for, where it isn't stored. */
  readonly secret: string | null
  /** Its last characters, where it is long enough for that. */
  readonly fingerprint: string | null
  readonly version: number
  readonly created_at_ms: number
  readonly rotated_at_ms: number | null
  /** Until when what it was before is still tried. */
  readonly previous_until_ms: number | null
  /** Ids of the targets that use it. */
  readonly targets: readonly string[]
  /** Why it can't be used. */
  readonly problem: string | null
}

/** `POST /admin/credentials/:name/check` */
export interface ApiCheckedCredential {
  /** Null where the provider's answer says neither. */
  readonly accepted: boolean | null
  readonly status: number
  readonly saw: string
}

/** Where a credential is kept, in words. */
export function placeText({ kind, secret, fingerprint }: ApiCredential): string {
  if (kind === 'worker-secret') return `the Worker’s secret ${secret ?? ''}`
  if (kind === 'secrets-store') return `${secret ?? ''} of a Secrets Store`
  return fingerprint === null ? 'stored here' : `stored here, ends in ${fingerprint}`
}

/** What a check came to, in words. */
export function checkText({ accepted, status, saw }: ApiCheckedCredential): string {
  if (accepted === true) return 'The provider accepts it.'
  const said = status === 0 ? saw : `${saw} (${status})`
  return accepted === false ? `The provider doesn’t accept it: ${said}` : `It can’t be told: ${said}`
}
