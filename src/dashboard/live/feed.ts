// A feed: something read from the API again and again; or, as long as the gateway says what changes, when it says so, and never
// more often. It keeps the last good answer whatever happens afterwards, never has two calls of its own under way, rests while
// the page is hidden or paused, and backs off when calls fail.
import { useCallback, useContext, useEffect, useRef, useState } from 'preact/hooks'
import { type ApiFailure, asFailure } from '../api.ts'
import { Live, type LiveKind, type LiveNewsroom } from './live-news.ts'

export const REFRESH_MS = 5_000
/** What takes long to read is read less often: a tenth of the time at most goes into it. */
const REST_FACTOR = 9
const RETRY_MS_MAX = 60_000
/** What is told of is read this often all the same: its window of time goes on. */
const TOLD_REFRESH_MS = 60_000

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
  /** True while it is read when the gateway says so. */
  readonly isLive: boolean
  /** How often it is read otherwise. */
  readonly everyMs: number
  /** Calls now instead of when it is due: what is so at this moment will be read, also where a call is under way. */
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
  /** Nothing is read as long as this is so. */
  readonly isAwaiting?: boolean
  /** Left out: `REFRESH_MS`. */
  readonly everyMs?: number
  /** Of which changes the gateway tells everything that is read here. Left out: it is always read again and again. */
  readonly changesWith?: readonly LiveKind[]
}

/** Reads `load` now and every `everyMs` after an answer, until unmounted. */
export function useFeed<Data>({
  key,
  load,
  isPaused,
  isAwaiting = false,
  everyMs = REFRESH_MS,
  changesWith = NOTHING,
}: FeedOptions<Data>): Feed<Data> {
  const newsroom = useContext(Live)
  const isLive = useIsLive(newsroom) && changesWith.length > 0
  const [state, setState] = useState<State<Data>>(EMPTY)
  const latest = useRef({ load, isPaused })
  latest.current = { load, isPaused }
  const refresh = useRef<() => void>(() => undefined)
  const wasPaused = useRef(isPaused)

  useEffect(() => {
    if (isAwaiting) return undefined
    const loop = startLoop({
      everyMs,
      isLive: () => newsroom.isOpen && changesWith.length > 0,
      load: (signal) => latest.current.load(signal),
      isPaused: () => latest.current.isPaused,
      onStart: () => setState((before) => ({ ...before, isLoading: true })),
      onData: (data) => setState({ data, dataKey: key, isLoading: false, failure: null, updatedAtMs: Date.now() }),
      onFailure: (failure) => setState((before) => ({ ...before, isLoading: false, failure })),
    })
    refresh.current = loop.callNow
    const deaf = newsroom.listen((news) => {
      if (typeof news === 'string' || news.some((kind) => changesWith.includes(kind))) loop.hear()
    })
    return () => {
      deaf()
      refresh.current = () => undefined
      loop.stop()
    }
  }, [key, isAwaiting])

  useEffect(() => {
    if (wasPaused.current && !isPaused) refresh.current()
    wasPaused.current = isPaused
  }, [isPaused])

  const { dataKey, ...rest } = state
  const isStale = dataKey !== null && dataKey !== key
  return { ...rest, isStale, isLive, everyMs, refresh: useCallback(() => refresh.current(), []) }
}

const NOTHING: readonly LiveKind[] = []

function useIsLive(newsroom: LiveNewsroom): boolean {
  const [isOpen, setOpen] = useState(newsroom.isOpen)
  useEffect(() => {
    setOpen(newsroom.isOpen)
    return newsroom.listen(() => setOpen(newsroom.isOpen))
  }, [newsroom])
  return isOpen
}

const EMPTY = { data: null, dataKey: null, isLoading: true, failure: null, updatedAtMs: null }

interface LoopOptions<Data> {
  readonly everyMs: number
  readonly isLive: () => boolean
  readonly load: (signal: AbortSignal) => Promise<Data>
  readonly isPaused: () => boolean
  readonly onStart: () => void
  readonly onData: (data: Data) => void
  readonly onFailure: (failure: ApiFailure) => void
}

interface Loop {
  /** A call under way may have been answered before what is asked for became so: it is followed by another. */
  callNow(): void
  /** There is something new, or nobody says so any more: the next call comes as soon as it may. */
  hear(): void
  stop(): void
}

/** The loop behind a feed. */
function startLoop<Data>(options: LoopOptions<Data>): Loop {
  const abort = new AbortController()
  let timer: ReturnType<typeof setTimeout> | null = null
  let isCalling = false
  let failures = 0
  let tookMs = 0
  let endedMs = 0
  /** Since the last call began. */
  let hasNews = false
  let isWantedAgain = false

  async function call(): Promise<void> {
    if (abort.signal.aborted) return
    if (isCalling) return void (isWantedAgain = true)
    isCalling = true
    hasNews = false
    isWantedAgain = false
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
      endedMs = Date.now()
      tookMs = endedMs - startedMs
      if (isWantedAgain) void call()
      else plan()
    }
  }
  function plan(): void {
    if (abort.signal.aborted) return
    if (timer !== null) clearTimeout(timer)
    const isTold = options.isLive() && !hasNews
    const restMs = failures > 0 ? againMsOf(failures) : restMsOf(options.everyMs, tookMs, isTold)
    timer = setTimeout(
      () => {
        if (!document.hidden && !options.isPaused()) void call()
        else timer = null
      },
      Math.max(0, endedMs + restMs - Date.now()),
    )
  }
  function onVisible(): void {
    // A timer that fell due in the meantime has left nothing behind; one still running keeps its pace.
    if (!document.hidden && timer === null && !options.isPaused()) void call()
  }
  document.addEventListener('visibilitychange', onVisible)
  void call()
  return {
    callNow: () => void call(),
    hear() {
      hasNews = true
      if (!isCalling) plan()
    },
    stop() {
      abort.abort()
      if (timer !== null) clearTimeout(timer)
      document.removeEventListener('visibilitychange', onVisible)
    },
  }
}

/** How long a feed rests after a call that went well. */
function restMsOf(everyMs: number, tookMs: number, isTold: boolean): number {
  const restMs = Math.min(RETRY_MS_MAX, Math.max(everyMs, tookMs * REST_FACTOR))
  return isTold ? Math.max(restMs, TOLD_REFRESH_MS) : restMs
}

/** How long after so many calls in a row that failed. */
function againMsOf(failures: number): number {
  return Math.min(RETRY_MS_MAX, REFRESH_MS * 2 ** (failures - 1))
}
