// The way in for people, before anybody knows who they are: what there is, to the provider, and back with a session. What goes
// wrong leads back to the sign-in page, which says so in a word; the log has the reason. How each provider is asked is loaded
// when somebody signs in.
import { Hono, type Context } from 'hono'
import { noteEntry } from '../audit/audit-record.ts'
import { addressOf } from '../access/authenticate.ts'
import { dropCookie, readCookie, writeCookie } from './cookies.ts'
import { sha256Hex } from '../digest.ts'
import { viewGrant } from '../access/access-record.ts'
import type { AdminPorts, AdminTypes } from '../ports.ts'
import { notFound, refuse } from '../http/refusal.ts'
import { type Source, grantFor, keptClaims } from '../access/role-rules-record.ts'
import { LONGEST_MS, type Person, readRules, startSession } from './session-record.ts'
import { accessSettings, oidcSettings, signInMethods } from './sign-in-settings.ts'
import { tellNoted } from '../live/tell-listeners.ts'

/** Why somebody isn't signed in: a word for the page, and a reason for the log. */
export interface SignInFailure {
  readonly kind: 'denied' | 'expired' | 'no-role' | 'not-behind-access' | 'unavailable' | 'unverified'
  readonly reason: string
}

/** What a provider's verified token says. */
export interface Vouched {
  readonly source: Source
  readonly subject: string
  readonly claims: Readonly<Record<string, unknown>>
  /** Whether its address is known to be theirs. */
  readonly isEmailTrue: boolean
}

const PAGE = '/dashboard/'
const CALLBACK = '/admin/sign-in/callback'
/** How long somebody may take at the provider's. */
const ASKED_SECONDS = 600

/** The admin API's `/sign-in`. */
export function signInEndpoints(ports: AdminPorts) {
  return new Hono<AdminTypes>()
    .use(async (c, next) => {
      await next()
      c.header('cache-control', 'no-store')
    })
    .get('/', (c) => c.json({ methods: signInMethods(c.env) }))
    .get('/access', async (c) => {
      const settings = accessSettings(c.env)
      if (settings === null) return refuse(c, notFound('sign-in by', 'access'))
      const { takeAssertion } = await import('./access-jwt.ts')
      const vouched = await takeAssertion(settings, c.req.header('cf-access-jwt-assertion') ?? null, ports)
      return vouched.ok ? letIn(c, vouched.value, ports) : turnAway(c, vouched.error)
    })
    .get('/oidc', async (c) => {
      const settings = oidcSettings(c.env)
      if (settings === null) return refuse(c, notFound('sign-in by', 'oidc'))
      const { askProvider } = await import('./oidc.ts')
      const asked = await askProvider(settings, new URL(CALLBACK, c.req.url).href, ports)
      if (!asked.ok) return turnAway(c, asked.error)
      // The answer comes from the provider's page, without the session's cookie: what was before ends here.
      await endSessionOf(c)
      writeCookie(c, 'sign-in', asked.value.kept, ASKED_SECONDS)
      return c.redirect(asked.value.url, 303)
    })
    .get('/callback', async (c) => {
      const settings = oidcSettings(c.env)
      if (settings === null) return refuse(c, notFound('sign-in by', 'oidc'))
      const { takeAnswer } = await import('./oidc.ts')
      const { origin, pathname, searchParams: query } = new URL(c.req.url)
      const kept = readCookie(c, 'sign-in')
      dropCookie(c, 'sign-in')
      const vouched = await takeAnswer(settings, { query, kept, redirectUri: origin + pathname }, ports)
      return vouched.ok ? letIn(c, vouched.value, ports) : turnAway(c, vouched.error)
    })
}

/** Ends the session that this browser has, and its cookie. */
export async function endSessionOf(c: Context<AdminTypes>): Promise<void> {
  const secret = readCookie(c, 'session')
  if (secret === null) return
  await c.env.DB.prepare(`DELETE FROM sessions WHERE digest = ?1`)
    .bind(await sha256Hex(secret))
    .run()
  dropCookie(c, 'session')
}

async function letIn(c: Context<AdminTypes>, vouched: Vouched, ports: AdminPorts): Promise<Response> {
  const rules = await readRules(c.env.DB)
  const person = personOf(vouched, keptClaims(vouched.claims, rules, vouched.isEmailTrue))
  const grant = grantFor(person.source, person.claims, rules)
  if (grant === null) return turnAway(c, { kind: 'no-role', reason: `no rule gives ${person.who} a role` })
  const address = addressOf(c)
  const { row, secret } = await startSession(c.env.DB, {
    person,
    address,
    nowMs: ports.nowMs(),
    randomBytes: ports.randomBytes,
    replaced: readCookie(c, 'session'),
  })
  await noteEntry(c.env.DB, 'sessions.begin', row.id, {
    who: person.who,
    actor: `${person.source}:${person.subject}`,
    ...(address === null ? {} : { address }),
    detail: { source: person.source, ...viewGrant(grant) },
  }).run()
  await tellNoted(c.env)
  writeCookie(c, 'session', secret, LONGEST_MS / 1000)
  return c.redirect(PAGE, 303)
}

/** An address that nobody has verified is no name: anybody could have written it there. */
function personOf({ source, subject }: Vouched, claims: Person['claims']): Person {
  const email = typeof claims['email'] === 'string' ? claims['email'] : null
  return { source, subject, claims, who: email ?? `${source} user ${subject}` }
}

function turnAway(c: Context<AdminTypes>, { kind, reason }: SignInFailure): Response {
  console.warn(JSON.stringify({ event: 'sign-in-refused', kind, reason }))
  return c.redirect(`${PAGE}?sign-in=${kind}`, 303)
}
