// What the page shows before there is anything to show: the steps to the first request, each with the command or the way to
// it, ticked off as the configuration says that they are done. It goes with the first request, or when the reader hides it.
import type { ComponentChildren } from 'preact'
import { useState } from 'preact/hooks'
import type { ApiOverview } from '../api-types.ts'
import { CopyButton } from '../parts/copy-button.tsx'
import { type StepName, stepsDone } from './first-steps.ts'
import { BASE, Link, pathOf } from '../frame/router.tsx'

const HIDDEN_NAME = 'tidegate.first-steps-hidden'

export function FirstRequest({ overview }: { overview: ApiOverview | null }) {
  const [isHidden, setIsHidden] = useState(readHidden)
  if (isHidden || overview === null) return null
  const done = stepsDone(overview)
  const next = STEPS.find(({ name }) => !done.has(name))?.name ?? 'request'
  return (
    <section class="card first-request" aria-labelledby="first-request-title">
      <header class="panel-head">
        <h2 id="first-request-title">
          {next === 'request'
            ? 'Waiting for the first request'
            : `${STEPS.length - done.size} steps to the first request`}
        </h2>
        <button
          type="button"
          class="button quiet"
          onClick={() => {
            keepHidden()
            setIsHidden(true)
          }}
        >
          Hide
        </button>
      </header>
      <ol class="first-steps">
        {STEPS.map(({ name, title, Details }) => (
          <li key={name} class={done.has(name) ? 'done' : ''} aria-current={name === next ? 'step' : undefined}>
            <strong>{title}</strong>
            {done.has(name) && <span class="badge good">done</span>}
            {name === next && <Details overview={overview} />}
          </li>
        ))}
      </ol>
    </section>
  )
}

interface Step {
  readonly name: StepName
  readonly title: string
  readonly Details: (props: { readonly overview: ApiOverview }) => ComponentChildren
}

const STEPS: readonly Step[] = [
  { name: 'credential', title: 'A provider’s credential', Details: CredentialStep },
  { name: 'model', title: 'A model: a target and its route', Details: ModelStep },
  { name: 'key', title: 'A virtual key', Details: KeyStep },
  { name: 'request', title: 'The first request', Details: RequestStep },
]

function CredentialStep() {
  return (
    <p class="muted">
      What a provider wants to be paid with, an API key mostly: <Link to={pathOf(CREDENTIALS)}>add one</Link>. It is
      kept encrypted and never shown again. A secret of the Worker does as well.
    </p>
  )
}

const CREDENTIALS = { page: 'access', id: '' } as const

function ModelStep() {
  const target = { id: 'openai-mini', provider: 'openai', model: 'gpt-4o-mini', credential: 'openai-main' }
  const route = { model: 'gpt-4o-mini', targets: [target.id] }
  return (
    <>
      <p class="muted">
        What answers, and the name that clients ask for. The target names its credential, and the provider is asked
        whether that is right.
      </p>
      <Command text={`${adminCommand('targets', target)} && \\\n${adminCommand('routes', route)}`} />
    </>
  )
}

function KeyStep({ overview: { tenants } }: { overview: ApiOverview }) {
  if (tenants.length > 0) {
    return (
      <p class="muted">
        It says who calls and what may be spent: <Link to={`${BASE}keys`}>mint one</Link>. Its secret is shown once.
      </p>
    )
  }
  return (
    <>
      <p class="muted">A key belongs to a tenant, and there is none yet.</p>
      <Command text={adminCommand('tenants', { name: 'acme' })} />
    </>
  )
}

function RequestStep({ overview }: { overview: ApiOverview }) {
  return (
    <>
      <p class="muted">
        Send one with a virtual key and it appears here within seconds, with its cost. Put the key’s secret in place of
        $TIDEGATE_KEY; it was shown once, when the key was created.
      </p>
      <Command text={commandFor(location.origin, exampleModel(overview))} />
      <p class="muted">
        An OpenAI SDK works too: set its base URL to <code>{location.origin}/v1</code>.
      </p>
    </>
  )
}

function Command({ text }: { readonly text: string }) {
  return (
    <div class="command">
      <pre tabIndex={0} aria-label="Command to try">
        <code>{text}</code>
      </pre>
      <CopyButton text={text} />
    </div>
  )
}

function readHidden(): boolean {
  try {
    return localStorage.getItem(HIDDEN_NAME) === 'yes'
  } catch {
    return false
  }
}

/** Where the browser refuses storage, it is hidden until the reload. */
function keepHidden(): void {
  try {
    localStorage.setItem(HIDDEN_NAME, 'yes')
  } catch {
    // Storage is blocked by the browser's settings.
  }
}

/** The first model that can be asked for by its exact name. */
function exampleModel(overview: ApiOverview): string {
  return overview.routes.find((route) => !route.model.includes('*'))?.model ?? 'gpt-4o-mini'
}

function adminCommand(what: string, body: object): string {
  return curl(`${location.origin}/admin/${what}`, '$ADMIN_TOKEN', body)
}

function commandFor(origin: string, model: string): string {
  const body = { model, messages: [{ role: 'user', content: 'Hello' }] }
  return curl(`${origin}/v1/chat/completions`, '$TIDEGATE_KEY', body)
}

function curl(url: string, secret: string, body: object): string {
  return [
    `curl ${url} \\`,
    `  -H "authorization: Bearer ${secret}" \\`,
    "  -H 'content-type: application/json' \\",
    `  -d ${shellQuoted(JSON.stringify(body))}`,
  ].join('\n')
}

/** One shell word, whatever a model is called. */
function shellQuoted(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`
}
