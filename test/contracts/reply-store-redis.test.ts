// The reply cache's store in Upstash Redis, by the real client against a real Redis behind Upstash's REST interface.
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { redisStore } from '../../src/platform/redis-store.ts'
import { replyCache } from '../../src/platform/reply-cache.ts'
import { eventually } from '../support/account.ts'
import { type RedisRest, startRedisRest } from '../support/redis-rest.ts'
import { redisServerPath, withRedis } from '../support/redis-server.ts'
import { replyStoreContract } from './reply-store.contract.ts'

describe.skipIf(redisServerPath === null)(withRedis('reply store in Redis'), () => {
  let rest: RedisRest
  let dead: RedisRest
  let gone: RedisRest

  beforeAll(async () => {
    ;[rest, dead, gone] = await Promise.all([startRedisRest(), startRedisRest(), startRedisRest()])
    await dead.redis.stop()
    await gone.close()
  })
  afterAll(() => Promise.all([rest.close(), dead.close()]))

  const store = () => redisStore(rest.url, rest.token)

  replyStoreContract({
    store,
    async secondsLeft(key) {
      const left = await rest.redis.command('TTL', key)
      return typeof left === 'number' && left >= 0 ? left : null
    },
    broken: {
      'a wrong token': () => redisStore(rest.url, 'another token'),
      'a Redis that is down': () => redisStore(dead.url, dead.token),
      'an address where nobody is': () => redisStore(gone.url, gone.token),
    },
  })

  test('a value that is no text is an error of the store, and a miss', async () => {
    await rest.redis.command('RPUSH', 'reply:list', 'a')
    await expect(store().get('reply:list')).rejects.toThrow('WRONGTYPE')
    const cache = replyCache(async () => store(), {
      log: { warn: () => undefined },
      sleep: () => new Promise(() => {}),
    })
    expect(await cache.get('list')).toBeNull()
  })

  test('it really forgets', async () => {
    await store().put('brief', 'soon gone', 1)
    expect(await store().get('brief')).toBe('soon gone')
    expect(
      await eventually(
        () => store().get('brief'),
        (text) => text === null,
      ),
    ).toBeNull()
  })

  test('what is purged is gone at once', async () => {
    await store().put('purged', 'text', 60)
    await rest.redis.command('FLUSHALL')
    expect(await store().get('purged')).toBeNull()
  })

  test('a database that takes a request and is silent is given up', async () => {
    const released = Promise.withResolvers<void>()
    rest.held = released.promise
    await expect(store().get('any')).rejects.toThrow(/timeout/i)
    released.resolve()
    rest.held = null
  })
})
