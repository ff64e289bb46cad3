// The reply cache's store in Workers KV, inside workerd.
import { env } from 'cloudflare:workers'
import { describe } from 'vitest'
import { kvStore } from '../../src/platform/reply-cache.ts'
import { replyStoreContract } from '../contracts/reply-store.contract.ts'

declare global {
  // oxlint-disable-next-line typescript/no-namespace -- how the platform types its bindings
  namespace Cloudflare {
    interface Env {
      REPLIES: KVNamespace
    }
  }
}

/** KV refuses a key that is longer: the one failure that it can be brought to here. */
const LONGER_THAN_KV_TAKES = 'x'.repeat(600)

describe('reply store in KV', () => {
  replyStoreContract({
    store: () => kvStore(env.REPLIES),
    async secondsLeft(key) {
      const { keys } = await env.REPLIES.list({ prefix: key })
      const expiration = keys.find(({ name }) => name === key)?.expiration
      return expiration === undefined ? null : expiration - Math.floor(Date.now() / 1000)
    },
    broken: {
      'a namespace that refuses': () => {
        const store = kvStore(env.REPLIES)
        return {
          get: (key) => store.get(key + LONGER_THAN_KV_TAKES),
          put: (key, text, ttlSeconds) => store.put(key + LONGER_THAN_KV_TAKES, text, ttlSeconds),
        }
      },
    },
  })
})
