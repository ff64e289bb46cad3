// What every store of the reply cache promises, by itself and behind the cache: it keeps texts as they are and as long as
// it is told to, and whatever happens to it is a miss.
import { describe, expect, test } from 'vitest'
import { NO_USAGE } from '../../src/core/money/usage.ts'
import { type ReplyStore, replyCache } from '../../src/platform/reply-cache.ts'
import type { CachedReply, ReplyCache } from '../../src/ports.ts'

/** A store that is held to the contract, and what a test needs to look behind it. */
export interface StoreSubject {
  /** The store over its real database. */
  readonly store: () => ReplyStore
  /** Seconds that the database still means to keep what is under `key`; null for nothing there or no end. */
  readonly secondsLeft: (key: string) => Promise<number | null>
  /** Stores whose database refuses or can't be reached, by what is wrong. */
  readonly broken: Readonly<Record<string, () => ReplyStore>>
}

/** KV's own minimum: no store is asked for less. */
const TTL_SECONDS = 60
/** A key of the reply cache is a digest. */
const KEY = 'f0'.repeat(32)

/** Holds a store to the contract. */
export function replyStoreContract({ store, secondsLeft, broken }: StoreSubject): void {
  storeLaws(store, secondsLeft)
  cacheLaws(store, secondsLeft)
  describe.each(Object.keys(broken))('%s', (name) => brokenLaws(() => broken[name]?.() ?? store()))
}

function storeLaws(store: () => ReplyStore, secondsLeft: StoreSubject['secondsLeft']): void {
  test('gives back what was put', async () => {
    await store().put('kept', 'a text', TTL_SECONDS)
    expect(await store().get('kept')).toBe('a text')
  })

  test('has nothing where nothing was put', async () => {
    expect(await store().get('never')).toBeNull()
  })

  test('keeps the latest', async () => {
    await store().put('again', 'the first, which is longer', TTL_SECONDS)
    await store().put('again', 'the second', TTL_SECONDS)
    expect(await store().get('again')).toBe('the second')
  })

  test('keeps keys apart', async () => {
    const keys = ['one', 'one ', 'One', 'one:two', 'one/two', 'one two', 'ön', KEY]
    await Promise.all(keys.map((key) => store().put(key, `under ${key}`, TTL_SECONDS)))
    expect(await Promise.all(keys.map((key) => store().get(key)))).toEqual(keys.map((key) => `under ${key}`))
  })

  test.each([
    ['nothing at all', ''],
    ['what looks like JSON', '{"a":[1,2,null]}'],
    ['a number', '0042.50'],
    ['null', 'null'],
    ['what the database would say itself', 'OK'],
    ['base64', 'T0s='],
    ['line ends and control characters', 'a\r\n\u0000\u0001\tb\\"'],
    ['any script', 'Ebbe – 潮の満ち引き – مدّ وجزر – 👩🏽‍🚀 – e\u0301 – \u2028'],
  ])('keeps %s to the letter', async (_, text) => {
    await store().put('letters', text, TTL_SECONDS)
    expect(await store().get('letters')).toBe(text)
  })

  test('keeps a megabyte', async () => {
    const text = 'Sixteen letters–'.repeat(65_536)
    await store().put('large', text, TTL_SECONDS)
    expect((await store().get('large')) === text).toBe(true)
  })

  test('means to forget in time, counted from the latest put', async () => {
    await store().put('mortal', 'a', 86_400)
    expect(await secondsLeft('mortal')).toBeGreaterThan(3_600)
    await store().put('mortal', 'b', 3_600)
    const left = await secondsLeft('mortal')
    expect(left).toBeGreaterThan(TTL_SECONDS)
    expect(left).toBeLessThanOrEqual(3_600)
  })
}

function cacheLaws(store: () => ReplyStore, secondsLeft: StoreSubject['secondsLeft']): void {
  test('the cache over it gives back a reply as it was', async () => {
    const { cache, warnings } = cacheOver(store)
    const reply = cachedReply('– 潮 👩🏽‍🚀 and half of one: \ud83d')
    await cache.put(KEY, reply, 3_600)
    expect(await cache.get(KEY)).toEqual({ v: 1, ...reply })
    expect(await cache.get(KEY.replace('f', 'e'))).toBeNull()
    expect(warnings).toEqual([])
  })

  test.each([
    [1, 60],
    [600, 600],
    [1_000_000, 86_400],
  ])('the cache over it keeps for %s s as %s s', async (asked, kept) => {
    const { cache } = cacheOver(store)
    await cache.put(`ttl-${asked}`, cachedReply('x'), asked)
    const left = await secondsLeft(`reply:ttl-${asked}`)
    expect(left).toBeGreaterThan(kept / 2)
    expect(left).toBeLessThanOrEqual(kept)
  })

  test('a reply that is too large is not kept, and leaves what was there', async () => {
    const { cache } = cacheOver(store)
    await cache.put('growing', cachedReply('small'), TTL_SECONDS)
    await cache.put('growing', cachedReply('x'.repeat(2_000_000)), TTL_SECONDS)
    expect(await cache.get('growing')).toMatchObject(cachedReply('small'))
  })

  test.each([
    ['no JSON', 'not JSON'],
    ['null', 'null'],
    ['a number', '1'],
    ['another version', JSON.stringify({ v: 0, ...cachedReply('old') })],
    ['no reply', '{"v":1}'],
    ['a reply without choices', '{"v":1,"reply":{"choices":null}}'],
  ])('what is in it from elsewhere is a miss: %s', async (_, text) => {
    await store().put('reply:foreign', text, TTL_SECONDS)
    expect(await cacheOver(store).cache.get('foreign')).toBeNull()
  })

  test('a look-up that takes longer than a second is a miss', async () => {
    const waits: number[] = []
    const real = store()
    await real.put('reply:slow', JSON.stringify({ v: 1, ...cachedReply('too late') }), TTL_SECONDS)
    const answered = Promise.withResolvers<void>()
    const slow: ReplyStore = { ...real, get: (key) => answered.promise.then(() => real.get(key)) }
    const sleep = (ms: number): Promise<void> => {
      waits.push(ms)
      return Promise.resolve()
    }
    const cache = replyCache(async () => slow, { log: { warn: () => undefined }, sleep })
    expect(await cache.get('slow')).toBeNull()
    expect(waits).toEqual([1_000])
    answered.resolve()
  })
}

function brokenLaws(store: () => ReplyStore): void {
  test('the store says so, and not what was to be kept', async () => {
    await expect(store().get('any')).rejects.toThrow(/\w/)
    await expect(store().put('any', 'between us', TTL_SECONDS)).rejects.toThrow(/^(?!.*between us).*\w/s)
  })

  test('the cache over it has misses, and no error', async () => {
    const { cache, warnings } = cacheOver(store)
    await cache.put(KEY, cachedReply('lost'), TTL_SECONDS)
    expect(await cache.get(KEY)).toBeNull()
    expect(warnings).toEqual(['reply-cache-unavailable', 'reply-cache-unavailable'])
  })
}

function cacheOver(store: () => ReplyStore): { readonly cache: ReplyCache; readonly warnings: readonly string[] } {
  const warnings: string[] = []
  // Never late: what is too slow has a test of its own.
  const sleep = (): Promise<void> => new Promise(() => undefined)
  const cache = replyCache(async () => store(), { log: { warn: (event) => void warnings.push(event) }, sleep })
  return { cache, warnings }
}

function cachedReply(text: string): CachedReply {
  return {
    reply: {
      id: 'chatcmpl-1',
      model: 'harbour-1',
      createdSeconds: 1_760_000_000,
      choices: [{ parts: [{ kind: 'text', text }], finish: 'stop' }],
      usage: { ...NO_USAGE, input: 3, output: 5 },
      failure: null,
    },
    provider: 'provider',
    model: 'harbour-1',
    targetId: 'target',
    usage: { ...NO_USAGE, input: 3, output: 5 },
    costNanoUsd: 42,
    storedAtMs: 1_760_000_000_000,
  }
}
