// One for the deployment: the sockets of everybody who has the dashboard open. They hibernate: while nothing changes, nothing runs
// here. A shell: what it does is loaded with the first socket, by the gateway's entry (src/live-updates.ts).
import { DurableObject } from 'cloudflare:workers'
import type { Change } from '../src/core/live.ts'
import type { GatewayEnv } from '../src/env.ts'

/** What a listener sends now and then, and is answered. */
const PING = 'ping'
const PONG = 'pong'

/** What is done with the sockets. */
export interface LiveRoom {
  accept(request: Request): Promise<Response>
  tell(changes: readonly Change[]): void
  tellNoted(): void
  recheck(): Promise<void>
  wake(): Promise<void>
  refuse(socket: WebSocket): void
}

export class LiveUpdates extends DurableObject<GatewayEnv> {
  #room: Promise<LiveRoom> | null = null

  constructor(ctx: DurableObjectState, env: GatewayEnv) {
    super(ctx, env)
    // Answered by the platform, without waking this.
    ctx.setWebSocketAutoResponse(new WebSocketRequestResponsePair(PING, PONG))
  }

  /** Takes a socket in, of a listener whom the gateway has let in; 503 when there are too many. */
  override async fetch(request: Request): Promise<Response> {
    return (await this.#opened()).accept(request)
  }

  /** Tells whom it concerns, within a second, each at most once a second. Doesn't wait for that. */
  async changed(changes: readonly Change[]): Promise<void> {
    if (!this.#isEmpty) (await this.#opened()).tell(changes)
  }

  /** Tells as `changed` does what the audit log and the alerts have more of. */
  async noted(): Promise<void> {
    if (!this.#isEmpty) (await this.#opened()).tellNoted()
  }

  /** Somebody's right to listen may have ended: whose has is closed when this resolves. */
  async recheck(): Promise<void> {
    if (!this.#isEmpty) await (await this.#opened()).recheck()
  }

  /** Closes who may not listen any more and who is gone. Never throws: an alarm that fails too often is dropped. */
  override async alarm(): Promise<void> {
    try {
      if (!this.#isEmpty) await (await this.#opened()).wake()
    } catch (error) {
      console.warn(JSON.stringify({ level: 'warn', event: 'live-check-failed', error: String(error) }))
    }
  }

  /** Listeners have nothing to say but a ping, which doesn't come this far. */
  override async webSocketMessage(socket: WebSocket): Promise<void> {
    ;(await this.#opened()).refuse(socket)
  }

  /** What to do with the sockets. The gateway's entry knows; this alone knows nothing. */
  protected async openRoom(): Promise<LiveRoom> {
    throw new Error('nobody can listen here')
  }

  get #isEmpty(): boolean {
    return this.ctx.getWebSockets().length === 0
  }

  #opened(): Promise<LiveRoom> {
    this.#room ??= this.openRoom().catch((error: unknown) => {
      this.#room = null
      throw error
    })
    return this.#room
  }
}
