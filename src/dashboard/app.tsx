// Who is looking, and at what: without a token the sign-in, with one the page that the address means. A token that stops
// being accepted leads back to the sign-in, which says so.
import { useCallback, useMemo, useRef, useState } from 'preact/hooks'
import { type AdminApi, adminApi } from './api.ts'
import { useFeed } from './feed.ts'
import { lazyPage } from './lazy-page.tsx'
import { namesFrom } from './names.ts'
import { OverviewPage } from './overview-page.tsx'
import { type Desk, PageFrame } from './page-frame.tsx'
import { BASE, Link, pathOf, usePlace } from './router.tsx'
import { forgetToken, keepToken, readToken } from './session.ts'
import { SignIn } from './sign-in.tsx'

export function App() {
  const [token, setToken] = useState<string | null>(readToken)
  const [notice, setNotice] = useState<string | null>(null)

  const signIn = useCallback((accepted: string) => {
    keepToken(accepted)
    setNotice(null)
    setToken(accepted)
  }, [])
  const signOut = useCallback((reason: string | null) => {
    forgetToken()
    setNotice(reason)
    setToken(null)
  }, [])

  const api = useMemo(() => (token === null ? null : adminApi(token)), [token])
  if (api === null) return <SignIn notice={notice} onSignIn={signIn} />
  return <Pages api={api} onSignOut={signOut} />
}

const KeysPage = lazyPage('Keys', async () => (await import('./keys-page.tsx')).KeysPage)
const KeyPage = lazyPage('Key', async () => (await import('./key-page.tsx')).KeyPage)
const RoutesPage = lazyPage('Routes', async () => (await import('./routes-page.tsx')).RoutesPage)
const AlertsPage = lazyPage('Alerts', async () => (await import('./alerts-page.tsx')).AlertsPage)

const PAGES = {
  overview: OverviewPage,
  keys: KeysPage,
  key: KeyPage,
  routes: RoutesPage,
  alerts: AlertsPage,
  unknown: NoPage,
} as const

function Pages({ api, onSignOut }: Pick<Desk, 'api' | 'onSignOut'> & { readonly api: AdminApi }) {
  const place = usePlace()
  const path = pathOf(place)
  const first = useRef(path)
  const [isPaused, onPause] = useState(false)
  const overview = useFeed({ key: 'overview', load: (signal) => api.overview(signal), isPaused })
  const names = useMemo(() => namesFrom(overview.data), [overview.data])
  const isGoneTo = first.current !== path
  if (isGoneTo) first.current = ''
  const Page = PAGES[place.page]
  return <Page key={path} desk={{ api, place, overview, names, isPaused, isGoneTo, onPause, onSignOut }} />
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
