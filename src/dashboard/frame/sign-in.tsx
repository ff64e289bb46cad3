// The way in: whatever this gateway is set up for, and a token, tried against the API before it is kept, with a plain message
// for each way to fail.
import { useEffect, useRef, useState } from 'preact/hooks'
import type { ApiSignIn } from '../access/access-data.ts'
import { type ApiFailure, adminApi, asFailure } from '../api.ts'
import { Brand } from './brand.tsx'
import { COOKIE, type Credential } from './session.ts'

interface SignInProps {
  /** Why the reader is here again; null at first. */
  readonly notice: string | null
  readonly onSignIn: (credential: Credential) => void
}

export function SignIn({ notice, onSignIn }: SignInProps) {
  const input = useRef<HTMLInputElement>(null)
  const [isChecking, setIsChecking] = useState(false)
  const [message, setMessage] = useState<string | null>(notice)
  const methods = useMethods()

  async function submit(event: Event): Promise<void> {
    event.preventDefault()
    const token = input.current?.value.trim() ?? ''
    if (token === '') return fail('Enter a token.')
    setIsChecking(true)
    try {
      const credential = { kind: 'token', token } as const
      await adminApi(credential).me(new AbortController().signal)
      onSignIn(credential)
    } catch (thrown) {
      setIsChecking(false)
      fail(explain(asFailure(thrown)))
    }
  }
  function fail(reason: string): void {
    setMessage(reason)
    input.current?.focus()
    input.current?.select()
  }

  return (
    <main class="sign-in">
      <form class="card sign-in-card" onSubmit={(event) => void submit(event)} noValidate>
        <Brand />
        <h1>Sign in</h1>
        <p class="muted">See what every tenant, team, key and model spends.</p>
        {methods.map(({ source, name, url }) => (
          <a key={source} class="button primary" href={url}>
            Sign in with {name}
          </a>
        ))}
        <label for="token">Admin token or API token</label>
        <input
          ref={input}
          id="token"
          type="password"
          autocomplete="current-password"
          spellcheck={false}
          autofocus
          aria-invalid={message !== null}
          aria-describedby={message === null ? 'token-hint' : 'token-error token-hint'}
        />
        <div role="alert">
          {message !== null && (
            <p id="token-error" class="form-error">
              {message}
            </p>
          )}
        </div>
        <button type="submit" class={methods.length === 0 ? 'button primary' : 'button'} disabled={isChecking}>
          {isChecking ? 'Checking…' : 'Sign in'}
        </button>
        <p id="token-hint" class="hint">
          An API token, or the value of the Worker’s <code>ADMIN_TOKEN</code>; a local start prints it. It stays in this
          tab and is forgotten when the tab closes.
        </p>
      </form>
    </main>
  )
}

/** How people may sign in here, besides a token; none where that can't be read. */
function useMethods(): ApiSignIn['methods'] {
  const [methods, setMethods] = useState<ApiSignIn['methods']>([])
  useEffect(() => {
    const abort = new AbortController()
    adminApi(COOKIE)
      .read<ApiSignIn>('/admin/sign-in', ['methods'], abort.signal)
      .then(
        (answer) => setMethods(answer.methods),
        () => undefined,
      )
    return () => abort.abort()
  }, [])
  return methods
}

function explain(failure: ApiFailure): string {
  if (failure.kind === 'signed-out') return 'That token is not accepted. Check that it is the whole token.'
  if (failure.kind === 'closed') {
    return 'The admin API is closed: this gateway has no ADMIN_TOKEN. Set one with “npx wrangler secret put ADMIN_TOKEN”.'
  }
  return failure.message
}

const REASONS: Readonly<Record<string, string>> = {
  denied: 'Your provider did not sign you in.',
  expired: 'The sign-in took too long, or was begun in another window. Begin again.',
  'no-role': 'You are signed in with your provider, but have no role here. Ask an owner of this gateway for one.',
  'not-behind-access': 'This address is not behind Cloudflare Access.',
  unavailable: 'Your provider could not be asked. Try again.',
  unverified: 'What your provider said could not be verified.',
}

/** Why the provider's page led back here; null where it didn't. The address forgets it. */
export function takeReason(): string | null {
  const reason = new URLSearchParams(location.search).get('sign-in')
  if (reason === null) return null
  history.replaceState(null, '', location.pathname)
  return REASONS[reason] ?? 'The sign-in did not succeed.'
}
