// The live updates' object as the gateway runs it: it knows how to look up what a session or a token is worth. Here because
// objects know nothing but the core; what it needs is loaded with the first socket.
import { type LiveRoom, LiveUpdates as UnopenedUpdates } from '../durable-objects/live-updates.ts'

export class LiveUpdates extends UnopenedUpdates {
  protected override async openRoom(): Promise<LiveRoom> {
    const { SocketRoom } = await import('./platform/live-room.ts')
    const { listenerStandings } = await import('./control-plane/live/live-standing.ts')
    const { changesNoted } = await import('./control-plane/live/noted-changes.ts')
    return new SocketRoom({
      ctx: this.ctx,
      nowMs: () => Date.now(),
      sleep: (ms) => scheduler.wait(ms),
      standingsOf: (credentials) => listenerStandings(this.env.DB, credentials, Date.now()),
      changesNoted: (seen) => changesNoted(this.env.DB, seen),
    })
  }
}
