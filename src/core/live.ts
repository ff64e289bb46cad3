// What is told to who looks: that something has changed, never what. Who hears of which change is decided here; what it is they
// read by the admin API, which decides again. Pure.

/** `requests`: there is more in the ledger. `configuration`: something was changed, switched or taken back. `health`: a target's
 *  breaker opened, ramps up or closed. `alerts`: there is one more, or it was delivered. `audit`: there is more in the audit log.
 *  `access`: tokens, sessions, rules or credentials changed, or what the listener may do. */
export type LiveKind = 'requests' | 'configuration' | 'health' | 'alerts' | 'audit' | 'access'

/** Whose a change is: of a tenant, and of one of its teams. `teamId` null: of all of the tenant; empty: of none of its teams. */
export interface ChangeOwner {
  readonly tenantId: string
  readonly teamId: string | null
}

/** `deployment`: told to those alone who look after all of it. */
export interface Change {
  readonly kind: LiveKind
  readonly of: readonly ChangeOwner[] | 'everybody' | 'deployment'
}

/** What a listener may see: of a tenant, of one of its teams; null for all. */
export interface Audience {
  readonly tenantId: string | null
  readonly teamId: string | null
}

/** By what somebody listens. `sinceMs`: when they came in. */
export type ListenerCredential =
  | { readonly kind: 'admin-token' }
  | { readonly kind: 'session'; readonly id: string }
  | { readonly kind: 'token'; readonly id: string; readonly sinceMs: number }

/** What a listener is worth at this moment. */
export interface ListenerStanding {
  readonly audience: Audience
  /** What they may do there, by its name. Who hears of what does not depend on it. */
  readonly role: string
  /** By then at the latest it has to be looked at again, epoch ms; null: no end is known. */
  readonly untilMs: number | null
}

/** Up to which entry of the audit log, and which alert, listeners have been told. */
export interface Seen {
  readonly audit: number
  readonly alerts: number
}

/** A listener as the gateway let it in. */
export interface Listener extends ListenerStanding {
  readonly v: 1
  readonly credential: ListenerCredential
}

/** The name of the object that has the sockets: there is one. */
export const LIVE_UPDATES_NAME = 'live'

/** The subprotocol of the socket, and what a token in base64url follows, for who can't set a header. */
export const LIVE_PROTOCOL = 'tidegate.live.v1'
export const LIVE_TOKEN_PREFIX = 'tidegate.token.'

/** Closing codes, of those that are for applications. https://www.rfc-editor.org/rfc/rfc6455#section-7.4.2 */
export const LIVE_CLOSED = { signedOut: 4401, silent: 4408, unexpected: 4400, unverified: 4503 } as const

/** The header in which the gateway tells the object whom it let in. Only the gateway reaches the object. */
export const LISTENER_HEADER = 'x-tidegate-listener'

/** Owners that are told apart in one hint: of more, everybody is told. */
const OWNERS_MAX = 2_000

/** Of one kind: those who are told. */
interface Told {
  isEverybody: boolean
  /** Teams by tenant; null for all of it. */
  readonly owners: Map<string, Set<string> | null>
}

/** Changes that gather until they are told. */
export class GatheredChanges {
  readonly #told = new Map<LiveKind, Told>()
  #owners = 0

  /** Takes a change in. What comes twice is told once. */
  add({ kind, of }: Change): void {
    const told = this.#told.get(kind) ?? { isEverybody: false, owners: new Map() }
    this.#told.set(kind, told)
    if (of === 'everybody') told.isEverybody = true
    else if (of !== 'deployment') for (const owner of of) this.#addOwner(told, owner)
  }

  /** The kinds of change that concern an audience, in the order in which they came. */
  kindsFor(audience: Audience): readonly LiveKind[] {
    return [...this.#told].flatMap(([kind, told]) => (concerns(told, audience) ? [kind] : []))
  }

  #addOwner(told: Told, { tenantId, teamId }: ChangeOwner): void {
    if (told.isEverybody) return
    this.#owners += 1
    if (this.#owners > OWNERS_MAX) {
      told.isEverybody = true
      told.owners.clear()
      return
    }
    const teams = told.owners.get(tenantId)
    if (teamId === null) told.owners.set(tenantId, null)
    else if (teams === undefined) told.owners.set(tenantId, new Set([teamId]))
    else teams?.add(teamId)
  }
}

function concerns({ isEverybody, owners }: Told, { tenantId, teamId }: Audience): boolean {
  if (isEverybody || tenantId === null) return true
  const teams = owners.get(tenantId)
  if (teams === undefined) return false
  return teams === null || teamId === null || teams.has(teamId)
}

/** A hint as it travels, under a hundred characters. */
export function hintText(kinds: readonly LiveKind[]): string {
  return JSON.stringify({ v: 1, changed: kinds })
}
