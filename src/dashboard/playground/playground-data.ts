// What the playground sends, and what it makes of the stream that comes back. It speaks to the same endpoint as every client.

/** Characters of an answer that are kept; what follows is left out. */
const ANSWER_CHARS_MAX = 200_000

export interface Ask {
  readonly key: string
  readonly model: string
  readonly system: string
  readonly prompt: string
  /** As typed; '' for the model's own. */
  readonly temperature: string
  readonly maxTokens: string
}

/** An answer as far as it has come. */
export interface Answer {
  readonly text: string
  readonly requestId: string | null
  readonly provider: string | null
  readonly cache: string | null
  readonly ttftMs: number | null
  readonly tookMs: number | null
  readonly inputTokens: number | null
  readonly outputTokens: number | null
  /** A sentence; null as long as nothing went wrong. */
  readonly failure: string | null
}

export const NO_ANSWER: Answer = {
  text: '',
  requestId: null,
  provider: null,
  cache: null,
  ttftMs: null,
  tookMs: null,
  inputTokens: null,
  outputTokens: null,
  failure: null,
}

/** The body of `POST /v1/chat/completions`; a number that isn't one is sent as it is, for the gateway to object to. */
export function bodyOf({ model, system, prompt, temperature, maxTokens }: Ask): object {
  return {
    model,
    messages: [
      ...(system.trim() === '' ? [] : [{ role: 'system', content: system }]),
      { role: 'user', content: prompt },
    ],
    stream: true,
    stream_options: { include_usage: true },
    ...(temperature.trim() === '' ? {} : { temperature: numberOf(temperature) }),
    ...(maxTokens.trim() === '' ? {} : { max_completion_tokens: numberOf(maxTokens) }),
  }
}

function numberOf(text: string): number | string {
  const value = Number(text)
  return Number.isNaN(value) ? text : value
}

/** The answer with one more event of its stream. What isn't understood is passed over. */
export function withEvent(answer: Answer, data: string, elapsedMs: number): Answer {
  const event = recordOf(readJson(data))
  const failure = recordOf(event['error'])['message']
  const [choice] = Array.isArray(event['choices']) ? event['choices'] : []
  const said = recordOf(recordOf(choice)['delta'])['content']
  const usage = recordOf(event['usage'])
  const text = typeof said === 'string' ? said : ''
  return {
    ...answer,
    text: (answer.text + text).slice(0, ANSWER_CHARS_MAX),
    ttftMs: answer.ttftMs ?? (text === '' ? null : elapsedMs),
    inputTokens: countOf(usage['prompt_tokens']) ?? answer.inputTokens,
    outputTokens: countOf(usage['completion_tokens']) ?? answer.outputTokens,
    failure: typeof failure === 'string' ? failure : answer.failure,
  }
}

/** Asks, and tells of the answer as it comes. Never rejects: what went wrong is part of the answer. */
export async function askModel(ask: Ask, signal: AbortSignal, onAnswer: (answer: Answer) => void): Promise<void> {
  const startedMs = performance.now()
  const elapsedMs = (): number => performance.now() - startedMs
  let answer = NO_ANSWER
  const tell = (next: Answer): void => onAnswer((answer = next))
  try {
    const response = await fetch('/v1/chat/completions', {
      method: 'POST',
      headers: { authorization: `Bearer ${ask.key}`, 'content-type': 'application/json' },
      body: JSON.stringify(bodyOf(ask)),
      credentials: 'omit',
      cache: 'no-store',
      signal,
    })
    const header = (name: string): string | null => response.headers.get(name)
    tell({
      ...answer,
      requestId: header('x-tidegate-request-id'),
      provider: header('x-tidegate-provider'),
      cache: header('x-tidegate-cache'),
    })
    if (!response.ok || response.body === null) {
      const message = recordOf(recordOf(readJson(await response.text()))['error'])['message']
      tell({ ...answer, failure: typeof message === 'string' ? message : `The gateway answered ${response.status}.` })
    } else {
      for await (const data of eventsOf(response.body)) tell(withEvent(answer, data, elapsedMs()))
    }
  } catch (thrown) {
    const isStopped = signal.aborted
    tell({ ...answer, failure: isStopped ? 'Stopped.' : `The gateway can’t be reached. ${String(thrown)}` })
  }
  tell({ ...answer, tookMs: elapsedMs() })
}

/** The data of a stream's events, to its end. */
async function* eventsOf(body: ReadableStream<Uint8Array<ArrayBuffer>>): AsyncGenerator<string> {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader()
  let rest = ''
  for (;;) {
    const { done, value } = await reader.read()
    const lines = (rest + (value ?? '')).split(/\r?\n/)
    rest = done ? '' : (lines.pop() ?? '')
    for (const line of lines) if (line.startsWith('data:')) yield line.slice('data:'.length).trim()
    if (done) return
  }
}

function countOf(value: unknown): number | null {
  return typeof value === 'number' ? value : null
}

function recordOf(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null ? Object.fromEntries(Object.entries(value)) : {}
}

function readJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
