// What the live updates' object does with its sockets: takes them in, up to a bound; tells them what concerns them, in company; and
// closes those whose right has ended, who are gone, or who say what nobody asked for. All that is known of a socket is attached
// to it, and so outlives hibernation.
import {
  type Audience,
  type Change,
  GatheredChanges,
  LISTENER_HEADER,
  LIVE_CLOSED,
  LIVE_PROTOCOL,
  type Listener,
  type ListenerCredential,
  type ListenerStanding,
  type Seen,
  hintText,
} from '../core/live.ts'
import type { LiveRoom } from '../../durable-objects/live-updates.ts'

/** Sockets in all, and of one credential. */
const SOCKETS_MAX = 1_000
const SOCKETS_OF_ONE_MAX = 50
/** A listener is told at most once in so long. */
const TOLD_EVERY_MS = 1_000
/** Before anybody is told, their right to it was looked at so long ago at most. */
const CHECKED_MS_MAX = 5_000
/** Rights are looked at this often though nothing happens. */
const CHECK_EVERY_MS = 600_000
/** Who hasn't said a word for so long is gone, or doesn't read. A hidden page's clock goes once a minute. */
const SILENT_MS_MAX = 150_000

/** What the room needs. */
export interface RoomPorts {
  readonly ctx: DurableObjectState
  readonly nowMs: () => number
  readonly sleep: (ms: number) => Promise<void>
  /** What each of these is worth by now, in their order; null for nothing. Throws when nobody can tell. */
  readonly standingsOf: (credentials: readonly ListenerCredential[]) => Promise<readonly (ListenerStanding | null)[]>
  /** What was noted since, and up to where that is; with null only that. Throws when nobody can tell. */
  readonly changesNoted: (seen: Seen | null) => Promise<{ readonly changes: readonly Change[]; readonly seen: Seen }>
}

/** The object's sockets. */
export class SocketRoom implements LiveRoom {
  readonly #ports: RoomPorts
  #gathered = new GatheredChanges()
  #hasNoted = false
  #isTelling = false
  #toldAtMs = 0
  #checkedAtMs = 0

  constructor(ports: RoomPorts) {
    this.#ports = ports
  }

  async accept(request: Request): Promise<Response> {
    const { ctx, nowMs } = this.#ports
    const listener = readListener(request.headers.get(LISTENER_HEADER) ?? '')
    const tag = tagOf(listener.credential)
    const isFull = ctx.getWebSockets().length >= SOCKETS_MAX || ctx.getWebSockets(tag).length >= SOCKETS_OF_ONE_MAX
    if (isFull) return new Response(null, { status: 503 })
    // What was noted while nobody listened is told to nobody.
    if (ctx.getWebSockets().length === 0) await this.#lookAtNoted(null)
    const [client, server] = Object.values(new WebSocketPair())
    if (client === undefined || server === undefined) throw new Error('a pair is two')
    ctx.acceptWebSocket(server, [tag])
    attach(server, listener, nowMs())
    await this.#wakeBy(listener.untilMs)
    const offered = request.headers.get('sec-websocket-protocol')
    const headers = offered === null ? {} : { 'sec-websocket-protocol': LIVE_PROTOCOL }
    return new Response(null, { status: 101, webSocket: client, headers })
  }

  /** In company: what comes while a hint is due goes with it. */
  tell(changes: readonly Change[]): void {
    for (const change of changes) this.#gathered.add(change)
    this.#plan()
  }

  /** The same for what the audit log and the alerts have more of: looked at once, when it is told. */
  tellNoted(): void {
    this.#hasNoted = true
    this.#plan()
  }

  /** Closes whose right has ended. Nobody whose right can't be looked at is told anything: they come again. */
  async recheck(): Promise<void> {
    const { ctx, nowMs, standingsOf } = this.#ports
    const sockets = ctx.getWebSockets()
    const known = new Map<string, ListenerCredential>()
    for (const socket of sockets) {
      const credential = attachedTo(socket)?.listener.credential
      if (credential !== undefined) known.set(JSON.stringify(credential), credential)
    }
    try {
      const standings = await standingsOf([...known.values()])
      this.#checkedAtMs = nowMs()
      const worth = new Map([...known.keys()].map((name, at) => [name, standings[at] ?? null]))
      for (const socket of sockets) settle(socket, worth)
    } catch (error) {
      console.warn(JSON.stringify({ level: 'warn', event: 'live-check-failed', error: String(error) }))
      for (const socket of sockets) close(socket, LIVE_CLOSED.unverified)
    }
  }

  async wake(): Promise<void> {
    await this.recheck()
    this.#closeSilent()
    const listeners = this.#ports.ctx.getWebSockets().flatMap((socket) => attachedTo(socket)?.listener ?? [])
    const ends = listeners.flatMap(({ untilMs }) => untilMs ?? [])
    if (listeners.length > 0) await this.#wakeBy(ends.length === 0 ? null : Math.min(...ends))
  }

  refuse(socket: WebSocket): void {
    close(socket, LIVE_CLOSED.unexpected)
  }

  #plan(): void {
    if (this.#isTelling) return
    this.#isTelling = true
    void this.#tellSoon().finally(() => (this.#isTelling = false))
  }

  async #tellSoon(): Promise<void> {
    const { ctx, nowMs, sleep } = this.#ports
    await sleep(Math.max(0, Math.min(TOLD_EVERY_MS, this.#toldAtMs + TOLD_EVERY_MS - nowMs())))
    if (this.#hasNoted) await this.#lookAtNoted(ctx.storage.kv.get<Seen>(SEEN) ?? null)
    if (nowMs() - this.#checkedAtMs > CHECKED_MS_MAX) await this.recheck()
    this.#closeSilent()
    this.#toldAtMs = nowMs()
    const changes = this.#gathered
    this.#gathered = new GatheredChanges()
    for (const socket of ctx.getWebSockets()) {
      const kinds = changes.kindsFor(attachedTo(socket)?.listener.audience ?? NOBODY)
      if (kinds.length > 0) quietly(() => socket.send(hintText(kinds)))
    }
  }

  /** What can't be looked at is looked at with the next, and read by everybody before long anyway. */
  async #lookAtNoted(since: Seen | null): Promise<void> {
    this.#hasNoted = false
    try {
      const { changes, seen } = await this.#ports.changesNoted(since)
      for (const change of changes) this.#gathered.add(change)
      this.#ports.ctx.storage.kv.put(SEEN, seen)
    } catch (error) {
      console.warn(JSON.stringify({ level: 'warn', event: 'noted-not-read', error: String(error) }))
    }
  }

  /** Looks again by then, and before long anyway: a session that was used has another end by then. */
  async #wakeBy(endMs: number | null): Promise<void> {
    const { ctx, nowMs } = this.#ports
    const dueMs = Math.max(nowMs() + 1, Math.min(endMs ?? Infinity, nowMs() + CHECK_EVERY_MS))
    const setMs = await ctx.storage.getAlarm()
    if (setMs === null || setMs > dueMs) await ctx.storage.setAlarm(dueMs)
  }

  #closeSilent(): void {
    const { ctx, nowMs } = this.#ports
    for (const socket of ctx.getWebSockets()) {
      const heardMs = ctx.getWebSocketAutoResponseTimestamp(socket)?.getTime() ?? attachedTo(socket)?.sinceMs ?? 0
      if (nowMs() - heardMs > SILENT_MS_MAX) close(socket, LIVE_CLOSED.silent)
    }
  }
}

/** Where is kept what was told, for when this wakes up again. */
const SEEN = 'seen'

/** Nothing is theirs. */
const NOBODY: Audience = { tenantId: '', teamId: '' }

function settle(socket: WebSocket, worth: ReadonlyMap<string, ListenerStanding | null>): void {
  const attached = attachedTo(socket)
  if (attached === null) return close(socket, LIVE_CLOSED.unexpected)
  const standing = worth.get(JSON.stringify(attached.listener.credential)) ?? null
  if (standing === null) return close(socket, LIVE_CLOSED.signedOut)
  const listener = { ...attached.listener, ...standing }
  if (JSON.stringify(listener) === JSON.stringify(attached.listener)) return
  attach(socket, listener, attached.sinceMs)
  if (rightsOf(listener) !== rightsOf(attached.listener)) quietly(() => socket.send(hintText(['access'])))
}

function rightsOf({ audience, role }: Listener): string {
  return JSON.stringify([audience.tenantId, audience.teamId, role])
}

interface Attached {
  readonly listener: Listener
  readonly sinceMs: number
}

function attach(socket: WebSocket, listener: Listener, sinceMs: number): void {
  const attached: Attached = { listener, sinceMs }
  socket.serializeAttachment(JSON.stringify(attached))
}

function attachedTo(socket: WebSocket): Attached | null {
  const text: unknown = socket.deserializeAttachment()
  if (typeof text !== 'string') return null
  const attached: Attached = JSON.parse(text)
  return attached
}

function readListener(text: string): Listener {
  const listener: Listener = JSON.parse(text)
  return listener
}

function tagOf(credential: ListenerCredential): string {
  return credential.kind === 'admin-token' ? credential.kind : credential.id
}

function close(socket: WebSocket, code: number): void {
  quietly(() => socket.close(code))
}

/** A socket that is closed already has nothing to be told. */
function quietly(act: () => void): void {
  try {
    act()
  } catch {
    // It is gone.
  }
}
