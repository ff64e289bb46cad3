// Replies in Upstash Redis. A module of its own, because it is loaded only where a database is configured.
import { Redis } from '@upstash/redis/cloudflare'
import type { ReplyStore } from './reply-cache.ts'

const TIMEOUT_MS = 1_000

/** The store at `url`, by its REST interface. Values are texts, as they were put. */
export function redisStore(url: string, token: string): ReplyStore {
  const redis = new Redis({
    url,
    token,
    automaticDeserialization: false,
    enableTelemetry: false,
    retry: { retries: 1, backoff: () => 50 },
    signal: () => AbortSignal.timeout(TIMEOUT_MS),
  })
  return {
    get: (key) => redis.get<string>(key).catch(discreetly),
    async put(key, text, ttlSeconds) {
      await redis.set(key, text, { ex: ttlSeconds }).catch(discreetly)
    },
  }
}

/** The client's errors quote the command they are about, and with it the reply: nothing for a log. */
function discreetly(error: unknown): never {
  const said = error instanceof Error ? error.message : String(error)
  throw new Error(said.split(', command was:')[0])
}
