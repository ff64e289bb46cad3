// A request tried without sending it: the gateway says which targets it would call, in what order, and why the others not.
// It is asked as a client would ask, with a virtual key that is typed in here and kept nowhere.
import { useState } from 'preact/hooks'
import { ApiFailure } from '../api.ts'
import { formatDuration, formatUsd } from '../parts/format.ts'
import { KINDS, PASSED } from './explain-kinds.ts'
import { type CandidateLimits, type ExplainedLimits, LimitsExplained, OwnLimits } from './explain-limits.tsx'
import { Field, Form, SelectField, TextField, useSending } from '../parts/forms.tsx'
import { Panel } from '../frame/panel.tsx'

interface Candidate {
  readonly target: string
  readonly provider: string
  readonly model: string
  readonly lane: string
  readonly dropped: readonly string[]
  readonly is_unpriced: boolean
  readonly estimated_cost_usd: number | null
  readonly ttft_ms: number | null
  readonly health: {
    readonly state: string
    readonly retry_after_ms: number | null
    /** Why it can't be called for want of a credential. */
    readonly credential_problem?: string | null
  }
  readonly limits?: CandidateLimits | null
}

/** `POST /v1/route/explain` */
interface Explanation {
  readonly protocol: string
  readonly endpoint: string
  readonly read_as: { readonly is_guessed: boolean; readonly because: string | null }
  /** Null for what is passed through and names none. */
  readonly model: string | null
  readonly candidates: readonly Candidate[]
  readonly route?: { readonly model: string; readonly strategy: string; readonly rule: string | null }
  readonly excluded?: readonly { readonly target: string; readonly reason: string; readonly detail: string }[]
  readonly would_answer?: { readonly status: number; readonly body: unknown }
  readonly preset: string | null
  /** The plan in one line, as the ledger keeps it. */
  readonly story?: string
  readonly cache?: string
  readonly cached?: { readonly target: string; readonly age_seconds: number } | null
  readonly limits?: ExplainedLimits | null
  readonly shadow?: {
    readonly target: string | null
    readonly percent: number
    readonly excluded: { readonly target: string; readonly detail: string } | null
  } | null
}

export function ExplainBox({ exampleModel }: { exampleModel: string }) {
  const [key, setKey] = useState('')
  const [kind, setKind] = useState('')
  const [path, setPath] = useState('')
  const [body, setBody] = useState('')
  const [explanation, setExplanation] = useState<Explanation | null>(null)
  const sending = useSending()
  const example = JSON.stringify({ model: exampleModel, messages: [{ role: 'user', content: 'Hello' }] }, null, 2)
  async function submit(): Promise<void> {
    setExplanation(null)
    const asked = kind === PASSED.value ? { endpoint: path.trim() } : kind === '' ? {} : { protocol: kind }
    const text = body.trim() === '' ? example : body
    await sending.send(async () => setExplanation(await explain(key.trim(), text, asked)))
  }
  const at = (field: string): string | null => (sending.failure?.field === field ? sending.failure.message : null)
  return (
    <Panel title="Explain a request" name="explain">
      <p class="muted">
        Paste what a client would send: you see the plan. Nothing is sent to a provider, nothing is charged.
      </p>
      <div class="explain">
        <Form
          sending={sending}
          action="Explain"
          isShown={(field) => field === 'key' || field === 'body' || (field === 'path' && kind === PASSED.value)}
          onSubmit={() => void submit()}
        >
          <TextField
            label="Virtual key"
            type="password"
            hint="Which routes, limits and models hold depends on whose it is. It stays in this field."
            value={key}
            error={at('key')}
            onValue={setKey}
          />
          <SelectField label="Kind" value={kind} options={[...KINDS, PASSED]} onValue={setKind} />
          {kind === PASSED.value && (
            <TextField
              label="Path"
              hint="Where a POST goes: /openai/v1/embeddings"
              value={path}
              error={at('path')}
              onValue={setPath}
            />
          )}
          <Field
            label="Request body"
            error={at('body')}
            hint="In JSON, a form’s fields as members. Left empty: the example."
          >
            {(control) => (
              <textarea
                {...control}
                class="input code"
                rows={8}
                spellcheck={false}
                placeholder={example}
                value={body}
                onInput={(event) => setBody(event.currentTarget.value)}
              />
            )}
          </Field>
        </Form>
        <div class="explanation" role="status">
          {explanation !== null && <Explained explanation={explanation} />}
        </div>
      </div>
    </Panel>
  )
}

/** What is said of a request beside its body. */
interface Asked {
  readonly protocol?: string
  readonly endpoint?: string
}

async function explain(key: string, body: string, asked: Asked): Promise<Explanation> {
  if (!/^[\x21-\x7e]+$/.test(key)) throw new ApiFailure('failed', 'key', 'Type a virtual key.', 'key')
  try {
    JSON.parse(body)
  } catch {
    throw new ApiFailure('failed', 'body', 'The body is not JSON.', 'body')
  }
  const query = new URLSearchParams({ ...asked }).toString()
  const response = await fetch(`/v1/route/explain${query === '' ? '' : `?${query}`}`, {
    method: 'POST',
    headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
    body,
    cache: 'no-store',
  })
  const answer: Explanation & { readonly error?: { readonly message?: string; readonly param?: string | null } } =
    await response.json()
  if (response.ok) return answer
  const message = answer.error?.message ?? `The gateway answered with status ${response.status}.`
  // What is wrong with the key is told as any client is told it.
  const field = response.status === 401 ? 'key' : answer.error?.param === 'endpoint' ? 'path' : 'body'
  throw new ApiFailure('failed', 'refused', message, field)
}

function Explained({ explanation }: { explanation: Explanation }) {
  const { candidates, excluded = [], route, would_answer: refused, limits = null } = explanation
  return (
    <>
      <p>
        <code>{explanation.model ?? explanation.endpoint}</code> by {explanation.protocol}
        {route !== undefined && (
          <>
            {' '}
            → route <code>{route.model}</code>, {route.rule === null ? route.strategy : `rule “${route.rule}”`}
          </>
        )}
        {explanation.preset !== null && (
          <>
            , preset <code>{explanation.preset}</code>
          </>
        )}
      </p>
      {explanation.read_as.because !== null && (
        <p class="muted">
          Read as a request to <code>{explanation.endpoint}</code>: {explanation.read_as.because.replaceAll('`', '')}.
        </p>
      )}
      {refused !== undefined && (
        <div class="form-error">
          It would be answered with status {refused.status}: <code>{JSON.stringify(refused.body)}</code>
        </div>
      )}
      {candidates.length > 0 && (
        <ol class="members">
          {candidates.map((candidate) => (
            <li key={candidate.target}>
              <div class="member">
                <span class="member-name">
                  <span class="name">{candidate.target}</span>{' '}
                  <span class="context">
                    {candidate.provider}/{candidate.model}, {candidate.lane}
                  </span>
                </span>
                <span class="context">{costText(candidate)}</span>
                <span class="member-health">
                  <Standing health={candidate.health} />{' '}
                  <span class="context">
                    {candidate.ttft_ms !== null && `first token ${formatDuration(candidate.ttft_ms)}`}
                    {candidate.dropped.length > 0 && ` drops ${candidate.dropped.join(', ')}`}
                  </span>
                </span>
              </div>
              <OwnLimits limits={candidate.limits ?? null} />
            </li>
          ))}
        </ol>
      )}
      {explanation.cache !== undefined && <p class="muted">{besideText(explanation)}</p>}
      {limits !== null && <LimitsExplained limits={limits} />}
      {explanation.story !== undefined && (
        <p class="muted">
          Its plan: <code>{explanation.story}</code>
        </p>
      )}
      <NotAsked excluded={excluded} />
    </>
  )
}

function Standing({ health: { state, credential_problem: problem = null } }: Pick<Candidate, 'health'>) {
  if (problem === null) {
    const text = state === 'closed' ? 'in good standing' : `breaker ${state}`
    return <span class={state === 'closed' ? 'badge good' : 'badge bad'}>{text}</span>
  }
  return (
    <>
      <span class="badge bad">unusable</span> <span class="context">{problem}</span>
    </>
  )
}

function NotAsked({ excluded }: Required<Pick<Explanation, 'excluded'>>) {
  if (excluded.length === 0) return null
  return (
    <>
      <h3>Not asked</h3>
      <ul class="excluded">
        {excluded.map((one) => (
          <li key={one.target}>
            <span class="name">{one.target}</span> <span class="badge warn">{one.reason}</span>{' '}
            <span class="context">{one.detail}</span>
          </li>
        ))}
      </ul>
    </>
  )
}

/** What the cache has to do with it, and the mirror. */
function besideText({ cache = '', cached = null, shadow = null }: Explanation): string {
  const known = CACHE_TEXTS.get(cache) ?? cache
  const age = cached === null ? '' : ` ${formatDuration(cached.age_seconds * 1000)} old, from ${cached.target}`
  if (shadow === null) return `Cache: ${known}${age}.`
  const { target, percent, excluded } = shadow
  const mirrored =
    excluded === null
      ? `${percent} % go to ${target ?? ''} as well`
      : `not mirrored to ${excluded.target}: ${excluded.detail}`
  return `Cache: ${known}${age}. Shadow: ${mirrored}.`
}

const CACHE_TEXTS: ReadonlyMap<string, string> = new Map([
  ['off', 'off for this tenant'],
  ['bypass', 'not for this request'],
  ['miss', 'nothing there yet'],
  ['hit', 'would be answered from it,'],
])

function costText({ estimated_cost_usd: usd, is_unpriced: isUnpriced }: Candidate): string {
  if (isUnpriced || usd === null) return 'no price known'
  return `about ${formatUsd(BigInt(Math.round(usd * 1e9)))}`
}
