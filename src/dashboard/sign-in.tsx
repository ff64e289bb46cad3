// The way in: an admin token, tried against the API before it is kept, with a plain message for each way to fail.
import { useRef, useState } from 'preact/hooks'
import { type ApiFailure, adminApi, asFailure } from './api.ts'
import { Brand } from './brand.tsx'

interface SignInProps {
  /** Why the reader is here again; null at first. */
  readonly notice: string | null
  readonly onSignIn: (token: string) => void
}

export function SignIn({ notice, onSignIn }: SignInProps) {
  const input = useRef<HTMLInputElement>(null)
  const [isChecking, setIsChecking] = useState(false)
  const [message, setMessage] = useState<string | null>(notice)

  async function submit(event: Event): Promise<void> {
    event.preventDefault()
    const token = input.current?.value.trim() ?? ''
    if (token === '') return fail('Enter the admin token.')
    setIsChecking(true)
    try {
      await adminApi(token).overview(new AbortController().signal)
      onSignIn(token)
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
        <label for="token">Admin token</label>
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
        <button type="submit" class="button primary" disabled={isChecking}>
          {isChecking ? 'Checking…' : 'Sign in'}
        </button>
        <p id="token-hint" class="hint">
          The value of the Worker’s <code>ADMIN_TOKEN</code>; a local start prints it. It stays in this tab and is
          forgotten when the tab closes.
        </p>
      </form>
    </main>
  )
}

function explain(failure: ApiFailure): string {
  if (failure.kind === 'signed-out') return 'That token is not accepted. Check that it is the whole admin token.'
  if (failure.kind === 'closed') {
    return 'The admin API is closed: this gateway has no ADMIN_TOKEN. Set one with “npx wrangler secret put ADMIN_TOKEN”.'
  }
  return failure.message
}
