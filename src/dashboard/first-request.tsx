// What the page shows before there is anything to show: how to make the first request, ready to copy.
import type { ApiOverview } from './api-types.ts'
import { CopyButton } from './copy-button.tsx'
import { BASE, Link } from './router.tsx'

export function FirstRequest({ overview }: { overview: ApiOverview | null }) {
  const command = commandFor(location.origin, exampleModel(overview))
  const hasKeys = (overview?.keys.length ?? 0) > 0
  return (
    <section class="card first-request" aria-labelledby="first-request-title">
      <h2 id="first-request-title">Waiting for the first request</h2>
      <p class="muted">
        Send one with a virtual key and it appears here within seconds, with its cost.{' '}
        {hasKeys ? (
          'Put the key’s secret in place of $TIDEGATE_KEY; it was shown once, when the key was created.'
        ) : (
          <>
            There is no virtual key yet: <Link to={`${BASE}keys`}>mint one</Link> first.
          </>
        )}
      </p>
      <div class="command">
        <pre tabIndex={0} aria-label="Command to try">
          <code>{command}</code>
        </pre>
        <CopyButton text={command} />
      </div>
      <p class="muted">
        An OpenAI SDK works too: set its base URL to <code>{location.origin}/v1</code>.
      </p>
    </section>
  )
}

/** The first model that can be asked for by its exact name. */
function exampleModel(overview: ApiOverview | null): string {
  return overview?.routes.find((route) => !route.model.includes('*'))?.model ?? 'gpt-4o-mini'
}

function commandFor(origin: string, model: string): string {
  const body = { model, messages: [{ role: 'user', content: 'Hello' }] }
  return [
    `curl ${origin}/v1/chat/completions \\`,
    '  -H "authorization: Bearer $TIDEGATE_KEY" \\',
    "  -H 'content-type: application/json' \\",
    `  -d ${shellQuoted(JSON.stringify(body))}`,
  ].join('\n')
}

/** One shell word, whatever a model is called. */
function shellQuoted(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`
}
