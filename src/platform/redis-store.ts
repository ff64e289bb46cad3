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
    get: (key) => redis.get<string>(key),
    async put(key, text, ttlSeconds) {
      await redis.set(key, text, { ex: ttlSeconds })
    },
  }
}
