// What an isolate takes of a key that was rotated, and until when: from its memory, from KV, from an edge of KV that is behind, and by
// the limiter's word.
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { secretMark } from '../../src/core/directory.ts'
import { formatVirtualKey, mintVirtualKey } from '../../src/core/virtual-key.ts'
import { hmacHex } from '../../src/platform/key-digest.ts'
import { PEPPER, compareAsNode, compareAsWorkers, published } from '../support/published-key.ts'
import { virtualClock } from '../support/virtual-clock.ts'

beforeAll(compareAsWorkers)
afterAll(compareAsNode)

describe('the directory of a key with two secrets', () => {
  async function rotated(untilMs: number) {
    const at = await published()
    const given = mintVirtualKey('live', (count) => crypto.getRandomValues(new Uint8Array(count)), at.record.kid)
    const hash = { pepperVersion: 1, hmacHex: await hmacHex(PEPPER, given.secret) }
    const record = { ...at.record, hashes: [hash, ...at.record.hashes.map((old) => ({ ...old, untilMs }))] }
    const publish = () => void at.values.set(`key:${at.record.kid}`, record)
    const mark = secretMark(at.record.hashes[0]?.hmacHex ?? '')
    return { ...at, publish, rotatedRecord: record, given: formatVirtualKey(given), givenHash: hash, mark }
  }

  test('takes both until the millisecond of the old one’s end, and says then that it was replaced', async () => {
    const at = await rotated(virtualClock().nowMs() + 30_000)
    at.publish()
    expect(await at.directory.caller(at.presented)).toMatchObject({ keyId: 'k' })
    expect(await at.directory.caller(at.given)).toMatchObject({ keyId: 'k', tenantId: 't' })
    await at.clock.advance(29_999)
    expect(at.directory.caller(at.presented)).toMatchObject({ keyId: 'k' })
    await at.clock.advance(1)
    expect(await at.directory.caller(at.presented)).toBe('rotated')
    expect(at.directory.caller(at.given)).toMatchObject({ keyId: 'k' })
    await at.clock.advance(86_400_000)
    expect(await at.directory.caller(at.presented)).toBe('rotated')
  })

  test('takes the new one though KV’s edge has the record of before, and no other', async () => {
    const at = await rotated(0)
    expect(await at.directory.caller(at.given)).toBe('unknown')
    await at.clock.advance(10_000)
    at.values.set(`key:${at.record.kid}:${secretMark(at.givenHash.hmacHex)}`, at.rotatedRecord)
    expect(await at.directory.caller(at.given)).toMatchObject({ keyId: 'k' })
    const wrong = mintVirtualKey('live', (count) => new Uint8Array(count).fill(9), at.record.kid)
    expect(await at.directory.caller(formatVirtualKey(wrong))).toBe('unknown')
  })

  test('ends one that it knows, and one that KV’s edge still has, when the limiter says so and not before', async () => {
    const at = await rotated(0)
    const untilMs = at.clock.nowMs() + 5_000
    await at.directory.caller(at.presented)
    at.directory.endSecrets([{ keyId: 'k', mark: at.mark, untilMs }])
    expect(await at.directory.caller(at.presented)).toMatchObject({ keyId: 'k' })
    const { reads } = at.state
    at.directory.endSecrets([{ keyId: 'k', mark: at.mark, untilMs: untilMs + 60_000 }])
    expect(at.directory.caller(at.presented), 'told again, it forgets nothing').toMatchObject({ keyId: 'k' })
    expect(at.state.reads).toBe(reads)
    await at.clock.advance(4_999)
    expect(at.directory.caller(at.presented)).toMatchObject({ keyId: 'k' })
    await at.clock.advance(1)
    expect(await at.directory.caller(at.presented)).toBe('rotated')
    at.directory.forgetAll()
    expect(await at.directory.caller(at.presented), 'from KV as it was').toBe('rotated')
  })

  test('has it told when the old one was used, behind a request’s back and every five minutes, and no other', async () => {
    const at = await rotated(virtualClock().nowMs() + 3_600_000)
    at.publish()
    const used = () => [...at.values].filter(([name]) => name.startsWith('used:'))
    const request = async (presented: string) => {
      await at.directory.caller(presented)
      await at.directory.routes(at.later)
      await Promise.all(at.background.splice(0))
    }
    await request(at.given)
    expect(used()).toEqual([])
    const name = `used:${at.record.kid}:${at.mark}`
    const startMs = at.clock.nowMs()
    for (let minute = 0; minute < 5; minute++) {
      await request(at.presented)
      await at.clock.advance(59_999)
    }
    expect(used()).toEqual([[name, String(startMs)]])
    await at.clock.advance(5)
    await request(at.presented)
    expect(used()).toEqual([[name, String(startMs + 300_000)]])
    await at.clock.advance(300_000)
    await at.directory.caller(at.presented)
    at.state.isReachable = false
    await at.directory.routes(at.later)
    await Promise.all(at.background)
    expect(at.lines).toContain('secret-use-not-told')
  })

  test('has the new one go on when the old one is ended, and takes neither of a key that is revoked', async () => {
    const at = await rotated(virtualClock().nowMs() + 30_000)
    at.publish()
    await at.directory.caller(at.presented)
    await at.directory.caller(at.given)
    const { reads } = at.state
    at.directory.endSecrets([{ keyId: 'k', mark: at.mark, untilMs: 0 }])
    expect(at.directory.caller(at.given)).toMatchObject({ keyId: 'k' })
    expect(at.state.reads).toBe(reads)
    expect(await at.directory.caller(at.presented)).toBe('rotated')
    at.directory.revoke(['k'])
    await at.clock.advance(10_000)
    expect(await at.directory.caller(at.given)).toBe('revoked')
  })
})
