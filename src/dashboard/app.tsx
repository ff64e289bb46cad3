// Who is looking: without a token the sign-in, with one the overview. A token that stops being accepted leads back to
// the sign-in, which says so.
import { useCallback, useMemo, useState } from 'preact/hooks'
import { adminApi } from './api.ts'
import { OverviewPage } from './overview-page.tsx'
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
  return <OverviewPage api={api} onSignOut={signOut} />
}
