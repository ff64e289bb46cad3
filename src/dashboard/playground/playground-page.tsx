// The playground: one prompt to one model or two, side by side, through the gateway as any client goes. The key, pasted or
// minted for it, stays in this page's memory: it is gone when the page is left.
import type { ComponentChildren } from 'preact'
import { useEffect, useRef, useState } from 'preact/hooks'
import type { ApiRequests } from '../api-types.ts'
import { type Feed, useFeed } from '../live/feed.ts'
import { Count, Money } from '../parts/figures.tsx'
import { Field, TextField } from '../parts/forms.tsx'
import { formatDuration } from '../parts/format.ts'
import { type Desk, PageFrame } from '../frame/page-frame.tsx'
import { Panel } from '../frame/panel.tsx'
import { type Answer, type Ask, askModel } from './playground-data.ts'
import { PlaygroundKey } from './playground-key.tsx'
import { gatherRequests } from '../requests/request-log.ts'
import { RequestStory } from '../requests/request-story.tsx'

const BLANK: Ask = { key: '', model: '', system: '', prompt: '', temperature: '', maxTokens: '' }

export function PlaygroundPage({ desk }: { readonly desk: Desk }) {
  const [ask, setAsk] = useState<Ask>(BLANK)
  const [other, setOther] = useState('')
  const [answers, setAnswers] = useState<readonly (Answer | null)[]>([])
  const [asked, setAsked] = useState<readonly string[]>([])
  const [isAsking, setIsAsking] = useState(false)
  const abort = useRef<AbortController | null>(null)
  useEffect(() => () => abort.current?.abort(), [])
  const isReady = ask.key.trim() !== '' && ask.model.trim() !== '' && ask.prompt.trim() !== ''

  async function send(): Promise<void> {
    if (!isReady || isAsking) return
    const models = [ask.model, other].map((model) => model.trim()).filter((model) => model !== '')
    const { signal } = (abort.current = new AbortController())
    setAsked(models)
    setAnswers(models.map(() => null))
    setIsAsking(true)
    await Promise.all(
      models.map((model, at) =>
        askModel({ ...ask, key: ask.key.trim(), model }, signal, (answer) =>
          setAnswers((before) => before.map((one, place) => (place === at ? answer : one))),
        ),
      ),
    )
    setIsAsking(false)
  }
  return (
    <PageFrame desk={desk} title="Playground">
      <Panel title="Ask" name="playground">
        <form
          onSubmit={(event) => {
            event.preventDefault()
            void send()
          }}
          onKeyDown={(event) => {
            if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) void send()
          }}
        >
          <Settings ask={ask} other={other} desk={desk} onAsk={setAsk} onOther={setOther} />
          <div class="playground-actions">
            <button type="submit" class="button primary" disabled={!isReady || isAsking}>
              Ask
            </button>
            <button type="button" class="button" disabled={!isAsking} onClick={() => abort.current?.abort()}>
              Stop
            </button>
            <span class="muted">Ctrl+Enter asks, too. It is charged to the key like any request.</span>
          </div>
        </form>
      </Panel>
      <div class="playground-answers">
        {asked.map((model, at) => (
          <AnswerPanel key={`${at} ${model}`} model={model} answer={answers[at] ?? null} desk={desk} />
        ))}
      </div>
    </PageFrame>
  )
}

interface SettingsProps {
  readonly ask: Ask
  readonly other: string
  readonly desk: Desk
  readonly onAsk: (ask: Ask) => void
  readonly onOther: (model: string) => void
}

function Settings({ ask, other, desk, onAsk, onOther }: SettingsProps) {
  const set = (name: keyof Ask) => (value: string) => onAsk({ ...ask, [name]: value })
  const { data } = desk.overview
  const routed = data?.routes.map(({ model }) => model) ?? []
  // What a pattern stands for has to be typed.
  const suggestions = routed.filter((model) => !model.includes('*'))
  const hint = data?.routes.length === 0 ? 'No model is routed yet: see Routes.' : 'Any that is routed.'
  return (
    <div class="playground-settings">
      <PlaygroundKey desk={desk} value={ask.key} onKey={set('key')} />
      <TextField label="Model" hint={hint} suggestions={suggestions} value={ask.model} onValue={set('model')} />
      <TextField
        label="Beside it (optional)"
        hint="Another model, asked the same."
        suggestions={suggestions}
        value={other}
        onValue={onOther}
      />
      <TextField label="Temperature" inputMode="decimal" value={ask.temperature} onValue={set('temperature')} />
      <TextField label="Most output tokens" inputMode="numeric" value={ask.maxTokens} onValue={set('maxTokens')} />
      <div class="playground-wide">
        <TextField label="System" value={ask.system} onValue={set('system')} />
      </div>
      <div class="playground-wide">
        <Field label="Prompt">
          {(control) => (
            <textarea
              {...control}
              class="input"
              rows={4}
              value={ask.prompt}
              onInput={(event) => onAsk({ ...ask, prompt: event.currentTarget.value })}
            />
          )}
        </Field>
      </div>
    </div>
  )
}

interface AnswerProps {
  readonly model: string
  readonly answer: Answer | null
  readonly desk: Desk
}

function AnswerPanel({ model, answer, desk }: AnswerProps) {
  const isOver = answer !== null && answer.tookMs !== null
  return (
    <Panel title={model} name="answer" aside={!isOver && <span class="muted">answering…</span>}>
      <pre class="playground-answer" aria-busy={!isOver}>
        {answer?.text}
      </pre>
      <div role="status">{answer?.failure !== null && <p>{answer?.failure}</p>}</div>
      {isOver && <Facts answer={answer} desk={desk} />}
    </Panel>
  )
}

/** What it came to. The cost is the ledger's, which has it some seconds later. */
function Facts({ answer, desk }: { readonly answer: Answer; readonly desk: Desk }) {
  const [isOpen, setIsOpen] = useState(false)
  // What was refused before any provider was asked costs nothing, and isn't in the ledger.
  const requestId = answer.provider === null ? null : answer.requestId
  return (
    <>
      <dl class="fields">
        <Fact name="First token">{formatDuration(answer.ttftMs)}</Fact>
        <Fact name="Took">{formatDuration(answer.tookMs)}</Fact>
        <Fact name="Tokens in / out">
          {answer.inputTokens === null ? '–' : <Count count={answer.inputTokens} />} /{' '}
          {answer.outputTokens === null ? '–' : <Count count={answer.outputTokens} />}
        </Fact>
        <Fact name="Provider">{answer.provider ?? '–'}</Fact>
        <Fact name="Cache">{answer.cache ?? '–'}</Fact>
        <Fact name="Cost">{requestId === null ? '–' : <Cost id={requestId} desk={desk} />}</Fact>
      </dl>
      {requestId !== null && (
        <button type="button" class="button quiet" onClick={() => setIsOpen(true)}>
          The whole story
        </button>
      )}
      {isOpen && requestId !== null && <RequestStory id={requestId} desk={desk} onClose={() => setIsOpen(false)} />}
    </>
  )
}

function Fact({ name, children }: { readonly name: string; readonly children: ComponentChildren }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd>{children}</dd>
    </div>
  )
}

function Cost({ id, desk }: { readonly id: string; readonly desk: Desk }) {
  const [isKnown, setIsKnown] = useState(false)
  const query = new URLSearchParams({ request: id })
  const feed: Feed<ApiRequests> = useFeed({
    key: id,
    everyMs: 2_000,
    isPaused: desk.isPaused || isKnown,
    changesWith: ['requests'],
    load: (signal) => desk.api.read<ApiRequests>(`/admin/requests?${query}`, ['rows'], signal),
  })
  const [request] = gatherRequests(feed.data?.rows ?? [])
  useEffect(() => {
    if (request !== undefined) setIsKnown(true)
  }, [request === undefined])
  return request === undefined ? <span class="muted">on its way</span> : <Money nanoUsd={request.costNanoUsd} />
}
