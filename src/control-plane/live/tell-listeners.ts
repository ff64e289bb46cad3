// Tells those who listen for changes, by way of the object that has their sockets. Nothing fails with it and nothing waits for
// long: they read again before long anyway.
import { type Change, LIVE_UPDATES_NAME } from '../../core/live.ts'
import type { GatewayEnv } from '../../env.ts'

/** Where the object is bound: the part of a Worker's environment that is used. */
export type LiveEnv = Pick<GatewayEnv, 'LIVE_UPDATES'>

type LiveObject = NonNullable<ReturnType<typeof liveObject>>

const TOLD_MS_MAX = 2_000

/** Tells whom the changes concern. Never rejects. */
export function tellListeners(env: LiveEnv, changes: readonly Change[]): Promise<void> {
  return withListeners(env, (object) => object.changed(changes))
}

/** Tells whom it concerns what the audit log or the alerts have more of. Never rejects. */
export function tellNoted(env: LiveEnv): Promise<void> {
  return withListeners(env, (object) => object.noted())
}

/** Has those closed whose right to listen has ended, before it resolves. Never rejects: who isn't closed is told nothing more,
 *  and is closed later. */
export function recheckListeners(env: LiveEnv): Promise<void> {
  return withListeners(env, (object) => object.recheck())
}

/** The one there is; null where none is bound. */
export function liveObject({ LIVE_UPDATES: objects }: LiveEnv) {
  return objects === undefined ? null : objects.get(objects.idFromName(LIVE_UPDATES_NAME))
}

async function withListeners(env: LiveEnv, act: (object: LiveObject) => Promise<void>): Promise<void> {
  try {
    const object = liveObject(env)
    if (object !== null) await Promise.race([act(object), scheduler.wait(TOLD_MS_MAX)])
  } catch (error) {
    console.warn(JSON.stringify({ level: 'warn', event: 'listeners-not-told', error: String(error) }))
  }
}
