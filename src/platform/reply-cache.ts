// Where cached replies are kept: KV by default, Upstash Redis where one is configured (purged at once, shared with other
// systems). A store that is slow or away is a miss; it is never the reason for a failure.
import type { CachedReply, Log, ReplyCache } from '../ports.ts'

/** A store of texts with a time to live. */
export interface ReplyStore {
  get(key: string): Promise<string | null>
  put(key: string, text: string, ttlSeconds: number): Promise<void>
}

const PREFIX = 'reply:'
/** A look-up that takes longer costs more than it saves. */
const GET_MS_MAX = 1_000
/** Larger replies are not kept. */
const ENTRY_CHARS_MAX = 2_000_000
/** KV's own minimum. */
const TTL_SECONDS_MIN = 60
const TTL_SECONDS_MAX = 86_400
/** Bumped when the stored form changes: older entries are then misses. */
const ENTRY_VERSION = 1

/** The reply cache over a store. */
export function replyCache(
  store: () => Promise<ReplyStore>,
  ports: { readonly log: Log; readonly sleep: (ms: number) => Promise<void> },
): ReplyCache {
  return {
    async get(key) {
      try {
        const found = store().then((opened) => opened.get(PREFIX + key))
        const text = await Promise.race([found, ports.sleep(GET_MS_MAX).then(() => null)])
        return text === null ? null : parseEntry(text)
      } catch (error) {
        ports.log.warn('reply-cache-unavailable', { error: String(error) })
        return null
      }
    },
    async put(key, reply, ttlSeconds) {
      const text = JSON.stringify({ v: ENTRY_VERSION, ...reply })
      if (text.length > ENTRY_CHARS_MAX) return
      try {
        const opened = await store()
        await opened.put(PREFIX + key, text, Math.max(TTL_SECONDS_MIN, Math.min(TTL_SECONDS_MAX, ttlSeconds)))
      } catch (error) {
        ports.log.warn('reply-cache-unavailable', { error: String(error) })
      }
    },
  }
}

/** Replies in Workers KV. */
export function kvStore(kv: KVNamespace): ReplyStore {
  return {
    get: (key) => kv.get(key),
    put: (key, text, ttlSeconds) => kv.put(key, text, { expirationTtl: ttlSeconds }),
  }
}

/** The stored reply; null for what isn't one: other systems may write to the same store. */
function parseEntry(text: string): CachedReply | null {
  const entry: Partial<CachedReply> & { readonly v?: number } = JSON.parse(text)
  return entry.v === ENTRY_VERSION && isReply(entry) ? entry : null
}

function isReply(entry: Partial<CachedReply>): entry is CachedReply {
  return entry.reply !== undefined && Array.isArray(entry.reply.choices)
}
