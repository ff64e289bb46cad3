// A feed: something read from the API again and again. It keeps the last good answer whatever happens afterwards, never
// has two calls of its own under way, rests while the page is hidden or paused, and backs off when calls fail.
import { useCallback, useEffect, useRef, useState } from 'preact/hooks'
import { type ApiFailure, asFailure } from './api.ts'

export const REFRESH_MS = 5_000
/** What takes long to read is read less often: a tenth of the time at most goes into it. */
const REST_FACTOR = 9
const RETRY_MS_MAX = 60_000

export interface Feed<Data> {
  /** The last good answer; null until there is one. It may belong to an earlier `key`. */
  readonly data: Data | null
  /** True while `data` belongs to another key (another range, say) than the one asked for now. */
  readonly isStale: boolean
  readonly isLoading: boolean
  /** Why the latest call failed; null once one succeeds. */
  readonly failure: ApiFailure | null
  /** When `data` arrived, epoch ms. */
  readonly updatedAtMs: number | null
  /** Calls now instead of when it is due. */
  refresh(): void
}

interface State<Data> {
  readonly data: Data | null
  readonly dataKey: string | null
  readonly isLoading: boolean
  readonly failure: ApiFailure | null
  readonly updatedAtMs: number | null
}

export interface FeedOptions<Data> {
  /** What is asked for; a change drops the call under way and asks anew at once. */
  readonly key: string
  readonly load: (signal: AbortSignal) => Promise<Data>
  readonly isPaused: boolean
  /** Left out: `REFRESH_MS`. */
  readonly everyMs?: number
}

/** Reads `load` now and every `everyMs` after an answer, until unmounted. */
export function useFeed<Data>({ key, load, isPaused, everyMs = REFRESH_MS }: FeedOptions<Data>): Feed<Data> {
  const [state, setState] = useState<State<Data>>(EMPTY)
  const latest = useRef({ load, isPaused })
  latest.current = { load, isPaused }
  const refresh = useRef<() => void>(() => undefined)

  useEffect(() => {
    const loop = startLoop({
      everyMs,
      load: (signal) => latest.current.load(signal),
      isPaused: () => latest.current.isPaused,
      onStart: () => setState((before) => ({ ...before, isLoading: true })),
      onData: (data) => setState({ data, dataKey: key, isLoading: false, failure: null, updatedAtMs: Date.now() }),
      onFailure: (failure) => setState((before) => ({ ...before, isLoading: false, failure })),
    })
    refresh.current = loop.callNow
    return loop.stop
  }, [key])

  useEffect(() => {
    if (!isPaused) refresh.current()
  }, [isPaused])

  const { dataKey, ...rest } = state
  return { ...rest, isStale: dataKey !== null && dataKey !== key, refresh: useCallback(() => refresh.current(), []) }
}

const EMPTY = { data: null, dataKey: null, isLoading: true, failure: null, updatedAtMs: null }

interface LoopOptions<Data> {
  readonly everyMs: number
  readonly load: (signal: AbortSignal) => Promise<Data>
  readonly isPaused: () => boolean
  readonly onStart: () => void
  readonly onData: (data: Data) => void
  readonly onFailure: (failure: ApiFailure) => void
}

/** The loop behind a feed. `callNow` does nothing while a call is under way; `stop` ends everything. */
function startLoop<Data>(options: LoopOptions<Data>): { callNow(): void; stop(): void } {
  const abort = new AbortController()
  let timer: ReturnType<typeof setTimeout> | null = null
  let isCalling = false
  let failures = 0
  let tookMs = 0

  async function call(): Promise<void> {
    if (isCalling || abort.signal.aborted) return
    isCalling = true
    if (timer !== null) clearTimeout(timer)
    options.onStart()
    const startedMs = Date.now()
    try {
      const data = await options.load(abort.signal)
      if (abort.signal.aborted) return
      failures = 0
      options.onData(data)
    } catch (thrown) {
      if (abort.signal.aborted) return
      failures += 1
      options.onFailure(asFailure(thrown))
    } finally {
      isCalling = false
      tookMs = Date.now() - startedMs
      plan()
    }
  }
  function plan(): void {
    if (abort.signal.aborted) return
    const restMs = Math.min(RETRY_MS_MAX, Math.max(options.everyMs, tookMs * REST_FACTOR))
    const delayMs = failures === 0 ? restMs : Math.min(RETRY_MS_MAX, REFRESH_MS * 2 ** (failures - 1))
    timer = setTimeout(() => {
      if (!document.hidden && !options.isPaused()) void call()
      else timer = null
    }, delayMs)
  }
  function onVisible(): void {
    // A timer that fell due in the meantime has left nothing behind; one still running keeps its pace.
    if (!document.hidden && timer === null && !options.isPaused()) void call()
  }
  document.addEventListener('visibilitychange', onVisible)
  void call()
  return {
    callNow: () => void call(),
    stop() {
      abort.abort()
      if (timer !== null) clearTimeout(timer)
      document.removeEventListener('visibilitychange', onVisible)
    },
  }
}
