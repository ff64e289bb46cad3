// What an isolate keeps of the stores behind it: keys and routes, cached replies, the journal, log lines. Stores may be
// slow, stale or away.
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { NOTHING } from '../../src/core/limits/limits.ts'
import type { Route, Target } from '../../src/core/directory.ts'
import type { RouteTable } from '../../src/core/routing/route-table.ts'
import { dialects } from '../../src/dialects/index.ts'
import { EventJournal } from '../../src/platform/event-journal.ts'
import { windowedLog } from '../../src/platform/log.ts'
import { replyCache } from '../../src/platform/reply-cache.ts'
import type { CachedReply, Log } from '../../src/ports.ts'
import { NO_USAGE } from '../../src/core/money/usage.ts'
import { ROUTES, compareAsNode, compareAsWorkers, published } from '../support/published-key.ts'
import { someTarget } from '../support/targets.ts'
import { usageEvent } from '../support/usage-events.ts'
import { virtualClock } from '../support/virtual-clock.ts'

beforeAll(compareAsWorkers)
afterAll(compareAsNode)

describe('the directory', () => {
  test('looks a caller up once a minute and answers at once in between', async () => {
    const at = await published()
    expect(await at.directory.caller(at.presented)).toMatchObject({ keyId: 'k', tenantId: 't' })
    const { reads } = at.state
    await at.clock.advance(59_999)
    expect(at.directory.caller(at.presented)).toMatchObject({ keyId: 'k' })
    expect(at.state.reads).toBe(reads)
    await at.clock.advance(1)
    expect(at.directory.caller(at.presented)).toBeInstanceOf(Promise)
  })

  test('turns a mistyped key away without a look-up, and knows an unknown one for ten seconds', async () => {
    const at = await published()
    expect(await at.directory.caller(`${at.presented.slice(0, -1)}!`)).toBe('malformed')
    expect(at.state.reads).toBe(0)
    at.values.delete(`key:${at.record.kid}`)
    expect(await at.directory.caller(at.presented)).toBe('unknown')
    expect(at.directory.caller(at.presented)).toBe('unknown')
    at.values.set(`key:${at.record.kid}`, at.record)
    await at.clock.advance(10_000)
    expect(await at.directory.caller(at.presented)).toMatchObject({ keyId: 'k' })
  })

  test('lets a key in until the millisecond of its end, however lately it was seen', async () => {
    const end = virtualClock().nowMs() + 30_000
    const at = await published({ expiresAtMs: end })
    expect(await at.directory.caller(at.presented)).toMatchObject({ keyId: 'k' })
    await at.clock.advance(29_999)
    expect(at.directory.caller(at.presented)).toMatchObject({ keyId: 'k' })
    await at.clock.advance(1)
    expect(await at.directory.caller(at.presented)).toBe('expired')
  })

  test('turns a revoked key away as soon as it is told', async () => {
    const at = await published()
    await at.directory.caller(at.presented)
    at.values.set(`key:${at.record.kid}`, { ...at.record, revokedAtMs: 1 })
    expect(at.directory.caller(at.presented)).toMatchObject({ keyId: 'k' })
    at.directory.revoke(['k'])
    expect(await at.directory.caller(at.presented)).toBe('revoked')
  })

  test('lets a revoked key in no more, though KV’s edge has it as it was for another while', async () => {
    const at = await published()
    await at.directory.caller(at.presented)
    at.directory.revoke(['k'])
    expect(await at.directory.caller(at.presented)).toBe('revoked')
    at.directory.forgetAll()
    await at.clock.advance(60_000)
    expect(await at.directory.caller(at.presented)).toBe('revoked')
  })

  test('does not take another secret under the same name', async () => {
    const at = await published({ hashes: [{ pepperVersion: 1, hmacHex: '00'.repeat(32) }] })
    expect(await at.directory.caller(at.presented)).toBe('unknown')
  })

  test('serves the routes it has while they are refreshed, and as long as the store is away', async () => {
    const at = await published()
    const first = await at.directory.routes(at.later)
    at.values.set('routing', { ...ROUTES, revision: 2 })
    await at.clock.advance(5_001)
    expect(at.directory.routes(at.later)).toBe(first)
    expect(at.background.length).toBe(1)
    await Promise.all(at.background)
    expect(at.directory.routes(at.later)).toMatchObject({ revision: 2 })
    at.state.isReachable = false
    await at.clock.advance(59_000)
    expect(at.directory.routes(at.later)).toMatchObject({ revision: 2 })
    await Promise.all(at.background)
    await at.clock.advance(2_000)
    expect(await at.directory.routes(at.later)).toMatchObject({ revision: 2 })
    expect(at.lines).toContain('directory-unavailable')
  })

  test('lets nobody in whom it does not know while the store is away, and says that it cannot tell', async () => {
    const at = await published()
    at.state.isReachable = false
    expect(await at.directory.caller(at.presented)).toBe('unavailable')
    expect(await at.directory.routes(at.later)).toBeNull()
    at.state.isReachable = true
    expect(await at.directory.caller(at.presented)).toMatchObject({ keyId: 'k' })
  })

  test('loads the dialects of its targets before it gives them out, and leaves out those it cannot', async () => {
    const at = await published()
    const speaking = (id: string, dialect: string): Target => Object.assign(someTarget(id), { dialect })
    const targets = { a: speaking('a', 'openai-chat'), b: speaking('b', 'gemini'), c: speaking('c', 'semaphore') }
    const route: Route = {
      id: 'r',
      model: 'm',
      tenantId: null,
      targets: ['a', 'b', 'c'],
      allowedGaps: [],
    }
    at.values.set('routing', { revision: 2, targets, routes: [route] })
    const { load } = dialects.of('gemini')
    const broken = vi.spyOn(dialects.of('gemini'), 'load').mockRejectedValueOnce(new Error('away'))
    const idsOf = (table: RouteTable | null): readonly string[] | undefined => table?.targets(route).map(({ id }) => id)
    expect(idsOf(await at.directory.routes(at.later))).toEqual(['a'])
    expect(at.lines).toEqual(['dialect-not-loaded'])
    broken.mockImplementation(load)
    await at.clock.advance(6_000)
    expect(idsOf(await at.directory.routes(at.later))).toEqual(['a'])
    await Promise.all(at.background)
    expect(idsOf(await at.directory.routes(at.later))).toEqual(['a', 'b'])
    expect(dialects.of('gemini').now()).not.toBeNull()
    broken.mockRestore()
  })
})

describe('the reply cache', () => {
  const reply: CachedReply = {
    reply: { id: 'i', model: 'm', createdSeconds: 1, choices: [], usage: null, failure: null },
    provider: 'p',
    model: 'm',
    targetId: 'x',
    usage: NO_USAGE,
    costNanoUsd: 5,
    storedAtMs: 7,
  }

  function cached(get: (key: string) => Promise<string | null>) {
    const clock = virtualClock()
    const puts: { readonly key: string; readonly text: string; readonly ttlSeconds: number }[] = []
    const lines: string[] = []
    const log: Log = { warn: (event) => void lines.push(event) }
    const put = async (key: string, text: string, ttlSeconds: number): Promise<void> =>
      void puts.push({ key, text, ttlSeconds })
    const cache = replyCache(async () => ({ get, put }), { log, sleep: clock.sleep })
    return { cache, clock, puts, lines }
  }

  test('gives back what it was given, and keeps it between a minute and a day', async () => {
    const kept = new Map<string, string>()
    const { cache, puts } = cached(async (key) => kept.get(key) ?? null)
    for (const ttl of [1, 600, 1e9]) await cache.put('k', reply, ttl)
    expect(puts.map(({ ttlSeconds }) => ttlSeconds)).toEqual([60, 600, 86_400])
    for (const { key, text } of puts) kept.set(key, text)
    expect(await cache.get('k')).toMatchObject(reply)
    expect(await cache.get('other')).toBeNull()
  })

  test.each([
    ['is away', async () => Promise.reject(new Error('away'))],
    ['holds nonsense', async () => '{'],
    ['holds null', async () => 'null'],
    ['holds another version', async () => JSON.stringify({ v: 0, ...reply })],
  ])('misses when the store %s', async (_, get) => {
    expect(await cached(get).cache.get('k')).toBeNull()
  })

  test('misses after a second when the store is slow', async () => {
    const { cache, clock } = cached(() => new Promise(() => {}))
    expect(await clock.until(cache.get('k'), 1_000)).toBeNull()
  })

  test('does not keep what is too large', async () => {
    const { cache, puts } = cached(async () => null)
    await cache.put('k', { ...reply, model: 'x'.repeat(2_000_001) }, 60)
    expect(puts).toEqual([])
  })
})

describe('the journal', () => {
  test('sends what was not acknowledged again, to the letter, and nothing else', () => {
    const journal = new EventJournal()
    journal.add(usageEvent('a'))
    const [first] = journal.outgoing().chunks
    journal.add(usageEvent('b'))
    const both = journal.outgoing().chunks
    expect(both[0]).toBe(first)
    expect(both.map(({ from, to }) => [from, to])).toEqual([
      [1, 1],
      [2, 2],
    ])
    journal.acknowledge(1)
    expect(journal.outgoing().chunks).toEqual([both[1]])
    journal.acknowledge(2)
    expect(journal.isEmpty).toBe(true)
  })

  test('cuts its events into chunks that a queue message can carry', () => {
    const journal = new EventJournal()
    for (let count = 0; count < 2_000; count++) journal.add(usageEvent(`request-${count}`, { tags: ['x'.repeat(200)] }))
    const { chunks } = journal.outgoing()
    expect(Math.max(...chunks.map(({ events }) => events.length))).toBeLessThanOrEqual(90_100)
    expect(chunks.length).toBeGreaterThan(3)
    chunks.forEach(({ from }, index) => expect(from).toBe((chunks[index - 1]?.to ?? 0) + 1))
    expect(chunks.at(-1)?.to).toBe(2_000)
  })

  test('does not announce an attempt that ended before it was shipped', () => {
    const journal = new EventJournal()
    journal.admit('a#1', { leaseId: 'l', reserved: NOTHING, limitsMoney: true, template: usageEvent('a') })
    journal.settle('a#1', usageEvent('a'))
    const { admissions, chunks } = journal.outgoing()
    expect(admissions).toEqual([])
    expect(chunks[0]?.settles).toEqual([])
  })
})

describe('the log', () => {
  test('writes the first line of a kind in each minute, and how many it left out', () => {
    let nowMs = 0
    const lines: string[] = []
    const log = windowedLog(
      () => nowMs,
      (line) => void lines.push(line),
    )
    for (let count = 0; count < 1_000; count++) log.warn('down', { target: 'a' })
    log.warn('down', { target: 'b' })
    expect(lines.length).toBe(2)
    for (const key of ['k1', 'k2', 'k1']) log.warn('key-refused', { key })
    expect(lines.splice(2)).toHaveLength(2)
    nowMs = 60_000
    log.warn('down', { target: 'a' })
    expect(lines.map((line): unknown => JSON.parse(line))).toMatchObject([
      { level: 'warn', event: 'down', target: 'a', suppressed: 0 },
      { target: 'b', suppressed: 0 },
      { target: 'a', suppressed: 999 },
    ])
  })
})
