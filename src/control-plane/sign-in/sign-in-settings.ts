// How people may sign in here, as the Worker's variables say: by Cloudflare Access, by an OpenID Connect provider, or both. What
// is set by half is not set.
import type { GatewayEnv } from '../../env.ts'
import type { Source } from '../access/role-rules-record.ts'

export interface AccessSettings {
  /** `https://<team>.cloudflareaccess.com` */
  readonly issuer: string
  readonly audience: string
}

export interface OidcSettings {
  readonly issuer: string
  readonly clientId: string
  /** Null for a public client, which has its proof of the code alone. */
  readonly clientSecret: string | null
  readonly scopes: string
  /** Whether the provider's word for an address counts though it doesn't say that it has verified it. */
  readonly trustsEmail: boolean
}

export interface SignInMethod {
  readonly source: Source
  /** As the button says it. */
  readonly name: string
  /** Where a browser begins. */
  readonly url: string
}

/** What the sign-in page may offer. */
export function signInMethods(env: GatewayEnv): readonly SignInMethod[] {
  return [
    ...(accessSettings(env) === null
      ? []
      : [{ source: 'access', name: 'Cloudflare Access', url: '/admin/sign-in/access' } as const]),
    ...(oidcSettings(env) === null
      ? []
      : [{ source: 'oidc', name: env.OIDC_NAME ?? 'single sign-on', url: '/admin/sign-in/oidc' } as const]),
  ]
}

/** Null where it isn't set, or not to an address that may be asked. */
export function accessSettings(env: GatewayEnv): AccessSettings | null {
  const { ACCESS_TEAM_DOMAIN: domain = '', ACCESS_AUD: audience = '' } = env
  if (domain === '' || audience === '') return null
  const issuer = readIssuer(domain.includes('://') ? domain : `https://${domain}`, env)
  return issuer === null ? null : { issuer, audience }
}

/** Null where it isn't set, or not to an address that may be asked. */
export function oidcSettings(env: GatewayEnv): OidcSettings | null {
  const { OIDC_ISSUER = '', OIDC_CLIENT_ID: clientId = '', OIDC_CLIENT_SECRET: clientSecret = '' } = env
  if (OIDC_ISSUER === '' || clientId === '') return null
  const issuer = readIssuer(OIDC_ISSUER, env)
  if (issuer === null) return null
  return {
    issuer,
    clientId,
    clientSecret: clientSecret === '' ? null : clientSecret,
    scopes: `openid email profile ${env.OIDC_SCOPES ?? ''}`.trim(),
    trustsEmail: env.OIDC_TRUST_EMAIL === 'true',
  }
}

/** An issuer is compared to the letter, so nothing of it is changed. Plain http only where private addresses are allowed. */
function readIssuer(text: string, env: GatewayEnv): string | null {
  const url = URL.parse(text)
  const isAllowed = url?.protocol === 'https:' || (url?.protocol === 'http:' && env.ALLOW_PRIVATE_ENDPOINTS === 'true')
  return isAllowed ? text : null
}
