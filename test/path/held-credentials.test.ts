// Credentials that are no secrets of the Worker: encrypted in the routing snapshot, or in a Secrets Store. Opened once, known
// from then on, and of no use to whoever has but the ciphertext.
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import type { HeldCredential, RoutingSnapshot, Target } from '../../src/core/directory.ts'
import { formerName, withHeld } from '../../src/core/held-credential.ts'
import { seal, unseal } from '../../src/ledger/credentials/seal.ts'
import { credentialPools } from '../../src/platform/credential-pools.ts'
import { kvDirectory } from '../../src/platform/directory.ts'
import { forgetOthers, knownSecret, withCredentials } from '../../src/platform/held-credentials.ts'
import { fetchUpstream } from '../../src/platform/upstream.ts'
import { noAnswer } from '../../src/data-plane/call-upstream.ts'
import { someTarget } from '../support/targets.ts'

const VALUE = 'sk-live-0123456789-abcdefgh'
const KEY = Buffer.alloc(32, 7).toString('base64')
const OTHER_KEY = Buffer.alloc(32, 8).toString('base64')
const CALL = { path: '/chat/completions', headers: {}, body: '{}' }

let sent: Headers[]
beforeEach(() => {
  sent = []
  vi.useFakeTimers({ now: Date.UTC(2026, 10, 21) })
  vi.stubGlobal('fetch', async (_: string, init: RequestInit) => {
    sent.push(new Headers(init.headers))
    return Response.json({})
  })
})
afterEach(() => {
  vi.unstubAllGlobals()
  vi.useRealTimers()
  forgetOthers(new Set())
})

async function sealed(name: string, version = 1, value = VALUE, key = KEY): Promise<HeldCredential> {
  const text = await seal({ CREDENTIAL_KEY: key }, { id: name, version }, value)
  if (!text.ok) throw new Error(text.error)
  return { sealed: text.value, version }
}

function paying(name: string, is: HeldCredential, fields: Partial<Target> = {}): Target {
  return someTarget('t', { credential: name, held: { [name]: is }, ...fields })
}

function gateway(bindings: Record<string, unknown> = { CREDENTIAL_KEY: KEY }) {
  const lines: string[] = []
  const warn = (event: string, facts: object) => void lines.push(JSON.stringify({ event, ...facts }))
  const upstream = fetchUpstream(bindings, { warn })
  const call = (target: Target) => upstream.call(target, CALL, 'openai-chat', new AbortController().signal)
  return { lines, call, objection: (target: Target) => upstream.objection?.(target) }
}

describe('a credential that is stored', () => {
  test('is opened for the first call, and known for all others: those leave at once', async () => {
    const { call } = gateway()
    const target = paying('openai-main', await sealed('openai-main'))
    await call(target)
    expect(sent[0]?.get('authorization')).toBe(`Bearer ${VALUE}`)
    void call(target)
    expect(sent).toHaveLength(2)
    expect(sent[1]?.get('authorization')).toBe(`Bearer ${VALUE}`)
  })

  test('may be of several parts: a key pair signs', async () => {
    const { call } = gateway()
    const is = await sealed('aws', 1, 'AKIDEXAMPLE:the-secret-of-the-pair')
    await call(paying('aws', is, { auth: 'aws-sigv4', settings: { region: 'eu-west-1' } }))
    expect(sent[0]?.get('authorization')).toMatch(/^AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE\//)
    expect(JSON.stringify([...(sent[0] ?? [])])).not.toContain('the-secret-of-the-pair')
  })

  test('is opened by the key that CREDENTIAL_KEY was before, too', async () => {
    const { call } = gateway({ CREDENTIAL_KEY: OTHER_KEY, CREDENTIAL_KEY_PREVIOUS: KEY })
    await call(paying('openai-main', await sealed('openai-main')))
    expect(sent[0]?.get('authorization')).toBe(`Bearer ${VALUE}`)
  })

  test.each<[string, (is: HeldCredential) => HeldCredential, Record<string, unknown>, RegExp]>([
    ['another key', (is) => is, { CREDENTIAL_KEY: OTHER_KEY }, /encrypted under another CREDENTIAL_KEY/],
    ['no key', (is) => is, {}, /CREDENTIAL_KEY is not set/],
    ['a key that is none', (is) => is, { CREDENTIAL_KEY: 'too short' }, /CREDENTIAL_KEY is not 32 bytes/],
    ['a ciphertext that was tampered with', tampered, { CREDENTIAL_KEY: KEY }, /damaged/],
    ['a ciphertext of another version', (is) => ({ ...is, version: 2 }), { CREDENTIAL_KEY: KEY }, /damaged/],
    ['no ciphertext', (is) => ({ ...is, sealed: 'v1.x' }), { CREDENTIAL_KEY: KEY }, /damaged|another/],
    ['no value', () => ({ isMissing: true }), { CREDENTIAL_KEY: KEY }, /has no value/],
  ])('with %s calls nobody, says why, and blames no target', async (_, spoil, bindings, why) => {
    const { call, lines, objection } = gateway(bindings)
    const target = paying('openai-main', spoil(await sealed('openai-main')))
    const error: unknown = await call(target).catch((thrown: unknown) => thrown)
    expect(sent).toEqual([])
    expect(noAnswer(new AbortController().signal, error)).toMatchObject({ class: 'credential' })
    expect(String(error)).toMatch(why)
    expect(await objection(target)).toMatch(why)
    expect(lines).toHaveLength(1)
    expect(lines[0]).toContain('"event":"credential-unusable","target":"t","credential":"openai-main"')
    expect(String(error) + lines.join('')).not.toContain(VALUE.slice(0, 8))
  })

  test('can’t be opened as another’s: rows that are swapped are of no use', async () => {
    const { call } = gateway()
    await expect(call(paying('mine', await sealed('yours')))).rejects.toThrow(/damaged/)
    expect(sent).toEqual([])
  })

  test('that another one has replaced is forgotten, whoever asks', async () => {
    const { call } = gateway()
    const [first, second] = [await sealed('openai-main', 1), await sealed('openai-main', 2, 'sk-second')]
    const bindings = { CREDENTIAL_KEY: KEY }
    await call(paying('openai-main', first))
    expect(knownSecret('openai-main', first, bindings, 0)).toBe(VALUE)
    withCredentials({ revision: 2, targets: {}, routes: [], credentials: { 'openai-main': { is: second } } }, 0)
    expect(knownSecret('openai-main', first, bindings, 0)).toBeNull()
    await call(paying('openai-main', second))
    expect(sent.at(-1)?.get('authorization')).toBe('Bearer sk-second')
  })

  test('is never the same text twice, and says nothing of its length that its ciphertext doesn’t', async () => {
    const about = { id: 'a', version: 1 }
    const [one, two] = [
      await seal({ CREDENTIAL_KEY: KEY }, about, VALUE),
      await seal({ CREDENTIAL_KEY: KEY }, about, VALUE),
    ]
    expect(one).not.toEqual(two)
    expect(await unseal({ CREDENTIAL_KEY: KEY }, about, one.ok ? one.value : '')).toEqual({ ok: true, value: VALUE })
  })
})

function tampered(is: HeldCredential): HeldCredential {
  if (!('sealed' in is)) return is
  const parts = is.sealed.split('.')
  const data = Buffer.from(parts[3] ?? '', 'base64')
  data[0] = (data[0] ?? 0) ^ 1
  return { ...is, sealed: [...parts.slice(0, 3), data.toString('base64')].join('.') }
}

describe('a credential that was replaced', () => {
  const UNTIL_MS = 5_000
  const names = ['openai-main', formerName('openai-main', 1)] as const

  async function replaced() {
    const previous = { version: 1, was: await sealed('openai-main', 1, 'sk-first'), untilMs: UNTIL_MS }
    return { 'openai-main': { is: await sealed('openai-main', 2, 'sk-second'), previous } }
  }

  test('goes on behind its successor until its time is over', async () => {
    const target = someTarget('t', { credential: 'openai-main' })
    const published = await replaced()
    expect(withHeld(target, published, UNTIL_MS - 1).credentials).toEqual(names)
    expect(withHeld(target, published, UNTIL_MS).credentials).toBeUndefined()
    expect(withHeld(someTarget('u', { credential: 'AN_API_KEY' }), published, 0).held).toBeUndefined()
  })

  test('pays only where its successor is refused or rests, and is opened as what it was', async () => {
    const pools = credentialPools(Date.now, { warn: () => {} })
    const target = withHeld(someTarget('t', { credential: 'openai-main' }), await replaced(), 0)
    const choose = (tried: readonly string[] = []) => {
      const chosen = pools.choose(target, tried)
      if (chosen === null || !('credential' in chosen)) throw new Error('nobody pays')
      return chosen
    }
    expect([choose(), choose(), choose()].map(({ credential }) => credential)).toEqual(Array(3).fill('openai-main'))
    pools.refused(choose())
    const former = choose(['openai-main'])
    expect(former.credential).toBe(names[1])
    expect(choose().credential).toBe(names[1])
    await gateway().call(former)
    expect(sent[0]?.get('authorization')).toBe('Bearer sk-first')
  })

  test('leaves an isolate’s routes when its time is over, though nothing else changes', async () => {
    const startMs = Date.now()
    const published = await replaced()
    const credentials = {
      'openai-main': {
        ...published['openai-main'],
        previous: { ...published['openai-main'].previous, untilMs: startMs + UNTIL_MS },
      },
    }
    const target = someTarget('t', { credential: 'openai-main' })
    const route = { id: 'r', model: 'm', tenantId: null, targets: ['t'], allowedGaps: [] }
    const snapshot: RoutingSnapshot = { revision: 1, targets: { t: target }, routes: [route], credentials }
    const kv: unknown = { get: async () => snapshot }
    if (!isNamespace(kv)) throw new Error('no store')
    const directory = kvDirectory(kv, '', Date.now, { warn: () => {} })
    const held = async () => (await directory.routes(() => {}))?.target('t')
    expect((await held())?.credentials).toEqual(names)
    vi.setSystemTime(startMs + 61_000)
    expect((await held())?.credentials).toBeUndefined()
    expect((await held())?.held).toHaveProperty('openai-main')
  })
})

function isNamespace(value: unknown): value is KVNamespace {
  return typeof value === 'object' && value !== null && 'get' in value
}

test('a secret that isn’t there is told of without its name', async () => {
  const { objection } = gateway()
  expect(await objection(someTarget('t', { credential: 'A_VERY_OWN_API_KEY' }))).toMatch(/is not set/)
  expect(await objection(someTarget('t', { credential: 'A_VERY_OWN_API_KEY' }))).not.toContain('OWN')
  expect(await objection(someTarget('t', { credential: null }))).toBeNull()
})

describe('a credential of a Secrets Store', () => {
  function store(get: () => Promise<string>) {
    const secret = { get: vi.fn(get) }
    return { secret, ...gateway({ OPENAI_API_KEY: secret }) }
  }
  const named = someTarget('t', { credential: 'OPENAI_API_KEY' })

  test('is asked for once, by its binding’s name or by a credential’s, and then known', async () => {
    const { call, secret } = store(async () => VALUE)
    await call(named)
    void call(paying('openai-main', { secret: 'OPENAI_API_KEY' }))
    expect(sent.map((headers) => headers.get('authorization'))).toEqual([`Bearer ${VALUE}`, `Bearer ${VALUE}`])
    expect(secret.get).toHaveBeenCalledTimes(1)
  })

  test('is asked for again behind the requests’ backs, and the one in hand serves meanwhile', async () => {
    let value = 'first'
    const { call, secret } = store(async () => value)
    await call(named)
    value = 'second'
    vi.advanceTimersByTime(61_000)
    void call(named)
    void call(named)
    expect(sent.map((headers) => headers.get('authorization'))).toEqual(Array(3).fill('Bearer first'))
    await vi.advanceTimersByTimeAsync(0)
    void call(named)
    expect(sent[3]?.get('authorization')).toBe('Bearer second')
    expect(secret.get).toHaveBeenCalledTimes(2)
  })

  test('that is away for ten minutes is used no longer, and neither is one that is empty', async () => {
    let get = async () => VALUE
    const { call, objection } = store(() => get())
    await call(named)
    get = async () => Promise.reject(new Error('the store’s own words'))
    vi.advanceTimersByTime(300_000)
    await call(named)
    await vi.advanceTimersByTimeAsync(0)
    vi.advanceTimersByTime(301_000)
    await expect(call(named)).rejects.toThrow(/Secrets Store doesn’t give/)
    get = async () => ''
    expect(await objection(named)).not.toContain('own words')
    expect(sent).toHaveLength(2)
  })

  test('that doesn’t answer ends the attempt within seconds', async () => {
    const { call } = store(() => new Promise(() => {}))
    const outcome = expect(call(named)).rejects.toThrow(/Secrets Store doesn’t give/)
    await vi.advanceTimersByTimeAsync(5_000)
    await outcome
  })
})
