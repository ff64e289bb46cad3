// Who is looking, and at what: without a token or a session the sign-in, with one the page that the address means. What stops
// being accepted leads back to the sign-in, which says so.
import { useCallback, useEffect, useMemo, useRef, useState } from 'preact/hooks'
import type { ApiMe } from '../access/access-data.ts'
import { type AdminApi, adminApi } from '../api.ts'
import { useFeed } from '../live/feed.ts'
import { useKeyNames } from '../keys/key-names.ts'
import { lazyPage } from './lazy-page.tsx'
import { namesFrom } from '../parts/names.ts'
import { OverviewPage } from '../overview/overview-page.tsx'
import { Live, LiveNewsroom } from '../live/live-news.ts'
import { type Desk, PageFrame } from './page-frame.tsx'
import { BASE, Link, pathOf, usePlace } from './router.tsx'
import { COOKIE, type Credential, forgetToken, keepToken, readToken } from './session.ts'
import { SignIn, takeReason } from './sign-in.tsx'

export function App() {
  const [credential, setCredential] = useState<Credential | 'unknown' | null>(() => {
    const token = readToken()
    return token === null ? 'unknown' : { kind: 'token', token }
  })
  const [notice, setNotice] = useState<string | null>(takeReason)

  useEffect(() => {
    if (credential !== 'unknown') return
    adminApi(COOKIE)
      .me(new AbortController().signal)
      .then(
        ({ csrf }) => setCredential({ kind: 'session', csrf: csrf ?? '' }),
        () => setCredential(null),
      )
  }, [])
  const signIn = useCallback((accepted: Credential) => {
    if (accepted.kind === 'token') keepToken(accepted.token)
    setNotice(null)
    setCredential(accepted)
  }, [])
  const signOut = useCallback((reason: string | null) => {
    forgetToken()
    setNotice(reason)
    setCredential(null)
  }, [])

  const api = useMemo(
    () => (credential === null || credential === 'unknown' ? null : adminApi(credential)),
    [credential],
  )
  if (credential === 'unknown')
    return (
      <p class="visually-hidden" role="status">
        Loading…
      </p>
    )
  if (api === null) return <SignIn notice={notice} onSignIn={signIn} />
  return <LivePages api={api} credential={credential} onSignOut={signOut} />
}

interface PagesProps extends Pick<Desk, 'api' | 'onSignOut'> {
  readonly api: AdminApi
}

/** The pages, and a socket on which the gateway says what is new, where it can be had. */
function LivePages({ credential, ...rest }: PagesProps & { readonly credential: Credential | null }) {
  const [newsroom] = useState(() => new LiveNewsroom())
  const [mayListen, setMayListen] = useState(false)
  useEffect(() => {
    if (!mayListen || credential === null) return undefined
    const end = { isWanted: true, now: (): void => undefined }
    import('../live/live.ts').then(
      ({ keepLive }) => {
        if (end.isWanted) end.now = keepLive(credential, newsroom)
      },
      // What is read again and again needs no socket.
      () => undefined,
    )
    return () => {
      end.isWanted = false
      end.now()
    }
  }, [mayListen, credential])
  return (
    <Live.Provider value={newsroom}>
      <Pages {...rest} onKnown={(me) => setMayListen(me.may.includes('GET /live'))} />
    </Live.Provider>
  )
}

const RequestsPage = lazyPage('Requests', async () => (await import('../requests/requests-page.tsx')).RequestsPage)
const PlaygroundPage = lazyPage(
  'Playground',
  async () => (await import('../playground/playground-page.tsx')).PlaygroundPage,
)
const KeysPage = lazyPage('Keys', async () => (await import('../keys/keys-page.tsx')).KeysPage)
const KeyPage = lazyPage('Key', async () => (await import('../keys/key-page.tsx')).KeyPage)
const TeamsPage = lazyPage('Teams', async () => (await import('../teams/teams-page.tsx')).TeamsPage)
const TeamPage = lazyPage('Team', async () => (await import('../teams/team-page.tsx')).TeamPage)
const ModelsPage = lazyPage('Models', async () => (await import('../models/models-page.tsx')).ModelsPage)
const RoutesPage = lazyPage('Routes', async () => (await import('../routes/routes-page.tsx')).RoutesPage)
const AlertsPage = lazyPage('Alerts', async () => (await import('../alerts/alerts-page.tsx')).AlertsPage)
const AccessPage = lazyPage('Access', async () => (await import('../access/access-page.tsx')).AccessPage)
const ConfigurationPage = lazyPage(
  'Configuration',
  async () => (await import('../configuration/configuration-page.tsx')).ConfigurationPage,
)
const ReferencePage = lazyPage(
  'API reference',
  async () => (await import('../reference/reference-page.tsx')).ReferencePage,
)
const AuditPage = lazyPage('Audit', async () => (await import('../audit/audit-page.tsx')).AuditPage)

const PAGES = {
  overview: OverviewPage,
  requests: RequestsPage,
  playground: PlaygroundPage,
  keys: KeysPage,
  key: KeyPage,
  teams: TeamsPage,
  team: TeamPage,
  models: ModelsPage,
  routes: RoutesPage,
  alerts: AlertsPage,
  access: AccessPage,
  audit: AuditPage,
  configuration: ConfigurationPage,
  reference: ReferencePage,
  unknown: NoPage,
} as const

function Pages({ api, onSignOut, onKnown }: PagesProps & { readonly onKnown: (me: ApiMe) => void }) {
  const place = usePlace()
  const path = pathOf(place)
  const first = useRef(path)
  const [isPaused, onPause] = useState(false)
  const me = useFeed({ key: 'me', load: (signal) => api.me(signal), isPaused, changesWith: ['access'] })
  const overview = useFeed({
    key: 'overview',
    load: (signal) => api.overview(signal),
    isPaused,
    changesWith: ['requests', 'configuration'],
  })
  const isThere = overview.data !== null
  useEffect(() => {
    // What the page begins with is read first.
    if (me.data !== null && isThere) onKnown(me.data)
  }, [me.data, isThere])
  const keyOf = useKeyNames(api, overview.data?.revision ?? null)
  const names = useMemo(() => namesFrom(overview.data, keyOf), [overview.data, keyOf])
  const isGoneTo = first.current !== path
  if (isGoneTo) first.current = ''
  const Page = PAGES[place.page]
  const desk: Desk = { api, place, me: me.data, meFeed: me, overview, names, isPaused, isGoneTo, onPause, onSignOut }
  return <Page key={path} desk={desk} />
}

function NoPage({ desk }: { readonly desk: Desk }) {
  return (
    <PageFrame desk={desk} title="No such page">
      <p>
        There is nothing at this address. <Link to={BASE}>Go to the overview</Link>
      </p>
    </PageFrame>
  )
}
