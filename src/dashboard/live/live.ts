// Live updates: a socket on which the gateway says that there is something new to read. While it is open, feeds wait for its word
// in place of reading again and again. It carries no data: what is new is read as ever. Loaded once the page is there; where no
// socket can be had, nothing is lost but money and a few seconds.
import type { LiveKind, LiveNewsroom } from './live-news.ts'
import type { Credential } from '../frame/session.ts'

const PATH = '/admin/live'
const PROTOCOL = 'tidegate.live.v1'
const TOKEN_PREFIX = 'tidegate.token.'
/** The gateway lets go of who says nothing for 150 s; a hidden page's clock goes once a minute. */
const PING_MS = 30_000
const PONG_MS_MAX = 10_000
/** A socket that can't be had is asked for again after this, doubling, with some chance in it. */
const AGAIN_MS = 2_000
const AGAIN_MS_MAX = 120_000
/** Who was let in no longer may listen. */
const SIGNED_OUT = 4401

/** Keeps a socket open, as far as it can be had, and says so to `newsroom`. Returns how to end it. */
export function keepLive(credential: Credential, newsroom: LiveNewsroom): () => void {
  let socket: WebSocket | null = null
  let again: ReturnType<typeof setTimeout> | undefined
  let beat: ReturnType<typeof setTimeout> | undefined
  let failures = 0
  let isOver = false

  function open(): void {
    clearTimeout(again)
    if (isOver || socket !== null) return
    const own = new WebSocket(addressOf(PATH), protocolsOf(credential))
    socket = own
    own.addEventListener('open', () => ping(own))
    own.addEventListener('message', ({ data }: MessageEvent<unknown>) => {
      // Somebody is there, and lets this stay.
      failures = 0
      if (!newsroom.isOpen) newsroom.say('opened')
      const kinds = readKinds(data)
      if (kinds !== null) return newsroom.say(kinds)
      clearTimeout(beat)
      beat = setTimeout(() => ping(own), PING_MS)
    })
    own.addEventListener('close', ({ code }) => close(own, code))
  }
  function close(own: WebSocket, code: number): void {
    if (socket !== own) return
    clearTimeout(beat)
    socket = null
    if (newsroom.isOpen) newsroom.say('lost')
    if (isOver || code === SIGNED_OUT) return
    const delayMs = Math.min(AGAIN_MS_MAX, AGAIN_MS * 2 ** failures) * (0.75 + Math.random() / 2)
    failures += 1
    again = setTimeout(open, delayMs)
  }
  /** A connection may be gone without anybody saying so: no answer in time is the end of it. */
  function ping(own: WebSocket): void {
    own.send('ping')
    beat = setTimeout(() => {
      own.close()
      close(own, 0)
    }, PONG_MS_MAX)
  }
  function comeBack(): void {
    if (!document.hidden && socket === null) open()
  }
  document.addEventListener('visibilitychange', comeBack)
  addEventListener('online', comeBack)
  open()
  return () => {
    isOver = true
    clearTimeout(again)
    document.removeEventListener('visibilitychange', comeBack)
    removeEventListener('online', comeBack)
    socket?.close()
  }
}

function addressOf(path: string): string {
  const { href } = new URL(path, location.href)
  return href.replace(/^http/, 'ws')
}

/** A page can set no header for a socket: a token goes among its subprotocols. A session's cookie goes by itself. */
function protocolsOf(credential: Credential): string[] {
  if (credential.kind === 'session') return [PROTOCOL]
  const encoded = btoa(credential.token).replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '')
  return [PROTOCOL, TOKEN_PREFIX + encoded]
}

/** Null for what says nothing of a change. */
function readKinds(data: unknown): readonly LiveKind[] | null {
  if (typeof data !== 'string' || !data.startsWith('{')) return null
  const { changed }: { readonly changed?: readonly LiveKind[] } = JSON.parse(data)
  return Array.isArray(changed) ? changed : null
}
