// When secrets of before were last used: told to KV behind a request's back, so that an operator sees that nobody has them any
// more. To within ten minutes: a lookup holds for one, and each isolate tells of a secret every five. Loaded with the first of them.
import { directoryUseName } from '../core/directory.ts'
import type { Log } from '../ports.ts'

const TOLD_EVERY_MS = 300_000
/** As long as an overlap may be, and a day. */
const KEPT_SECONDS = 8 * 86_400
const SECRETS_MAX = 1_000

/** An old secret of the key `kid` was looked up. */
export interface SecretUse {
  readonly kid: string
  readonly mark: string
  readonly atMs: number
}

/** Tells of uses, of each secret now and then. Never rejects: another isolate that tells at the same moment, so that KV refuses
 *  this one, says as much. */
export function secretUses(kv: KVNamespace, log: Log): (uses: readonly SecretUse[]) => Promise<void> {
  const toldAtMs = new Map<string, number>()

  async function tell({ kid, mark, atMs }: SecretUse): Promise<void> {
    const name = directoryUseName(kid, mark)
    if (atMs - (toldAtMs.get(name) ?? -Infinity) < TOLD_EVERY_MS) return
    if (toldAtMs.size >= SECRETS_MAX) toldAtMs.clear()
    toldAtMs.set(name, atMs)
    try {
      await kv.put(name, String(atMs), { expirationTtl: KEPT_SECONDS })
    } catch (error) {
      log.warn('secret-use-not-told', { error: String(error) })
    }
  }

  return async (uses) => {
    await Promise.all(uses.map(tell))
  }
}
