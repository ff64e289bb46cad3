// What the admin API says of access: who is looking, how people may sign in, tokens, rules and sessions.

export interface ApiScope {
  readonly kind: 'deployment' | 'tenant' | 'team'
  readonly tenant_id: string | null
  readonly team_id: string | null
}

export const ROLES = ['viewer', 'lead', 'admin', 'owner'] as const
export type Role = (typeof ROLES)[number]

/** `GET /admin/me` */
export interface ApiMe {
  readonly who: string
  readonly by: 'admin-token' | 'token' | 'session'
  readonly role: Role
  readonly scope: ApiScope
  /** Of a session: to be sent with every change. */
  readonly csrf: string | null
  /** Endpoints as `POST /keys`. */
  readonly may: readonly string[]
}

/** `GET /admin/sign-in` */
export interface ApiSignIn {
  readonly methods: readonly { readonly source: string; readonly name: string; readonly url: string }[]
}

export interface ApiToken {
  readonly id: string
  readonly name: string
  /** What the token begins with. */
  readonly prefix: string
  readonly role: Role
  readonly scope: ApiScope
  readonly status: 'active' | 'expired' | 'revoked'
  readonly created_by: string
  readonly created_at_ms: number
  readonly expires_at_ms: number | null
  readonly last_used_hour_ms: number | null
  /** Until when the secret of before is taken as well. */
  readonly previous_until_ms: number | null
}

export interface ApiRoleRule {
  readonly id: string
  readonly source: string
  readonly claim: string
  readonly value: string
  readonly role: Role
  readonly scope: ApiScope
}

export interface ApiSession {
  readonly id: string
  readonly who: string
  readonly source: string
  readonly role: Role
  readonly scope: ApiScope
  readonly address: string | null
  readonly is_own: boolean
  readonly created_at_ms: number
  readonly seen_at_ms: number
  readonly expires_at_ms: number
}

export interface ApiRows<Row> {
  readonly rows: readonly Row[]
}

export const ROLE_TEXTS: Readonly<Record<Role, string>> = {
  viewer: 'Viewer',
  lead: 'Team lead',
  admin: 'Admin',
  owner: 'Owner',
}
