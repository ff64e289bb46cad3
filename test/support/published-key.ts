// A virtual key as the control plane publishes it, in a KV namespace that can be read, written and out of reach, with the directory of
// one isolate over it.
import { timingSafeEqual } from 'node:crypto'
import type { KeyRecord, RoutingSnapshot, TenantRecord } from '../../src/core/directory.ts'
import { formatVirtualKey, mintVirtualKey } from '../../src/core/virtual-key.ts'
import { kvDirectory } from '../../src/platform/directory.ts'
import { hmacHex } from '../../src/platform/key-digest.ts'
import { virtualClock } from './virtual-clock.ts'

export const PEPPER = 'pepper'
export const ROUTES: RoutingSnapshot = { revision: 1, targets: {}, routes: [] }

/** Node's WebCrypto lacks the one function that Workers add to it. */
export function compareAsWorkers(): void {
  const compare = (a: Uint8Array, b: Uint8Array): boolean => timingSafeEqual(a, b)
  Object.defineProperty(crypto.subtle, 'timingSafeEqual', { value: compare, configurable: true })
}

export function compareAsNode(): void {
  Reflect.deleteProperty(crypto.subtle, 'timingSafeEqual')
}

/** A KV namespace of which no more is asked than to read and write, and which may be out of reach. */
function store() {
  const values = new Map<string, unknown>()
  const state = { reads: 0, isReachable: true }
  const get = async (name: string): Promise<unknown> => {
    state.reads += 1
    if (!state.isReachable) throw new Error('unreachable')
    return values.get(name) ?? null
  }
  const put = async (name: string, value: unknown): Promise<void> => {
    if (!state.isReachable) throw new Error('unreachable')
    values.set(name, value)
  }
  const kv: unknown = { get, put }
  if (!isNamespace(kv)) throw new Error('not a store')
  return { values, state, kv }
}

function isNamespace(value: unknown): value is KVNamespace {
  return typeof value === 'object' && value !== null && 'get' in value
}

/** A key that is published, and the directory of an isolate that reads it. Time is virtual. */
export async function published(fields: Partial<KeyRecord> = {}) {
  let byte = 0
  const key = mintVirtualKey('live', (count) => Uint8Array.from({ length: count }, () => (byte += 7) % 248))
  const at = store()
  const record: KeyRecord = {
    v: 1,
    keyId: 'k',
    kid: key.kid,
    tenantId: 't',
    teamId: null,
    hashes: [{ pepperVersion: 1, hmacHex: await hmacHex(PEPPER, key.secret) }],
    costCenter: null,
    tags: [],
    allowedModels: [],
    expiresAtMs: null,
    revokedAtMs: null,
    ...fields,
  }
  const tenant: TenantRecord = {
    v: 1,
    tenantId: 't',
    name: 'T',
    cache: { mode: 'off', ttlSeconds: 60 },
    timeZone: 'UTC',
  }
  at.values.set(`key:${key.kid}`, record).set('tenant:t', tenant).set('routing', ROUTES)
  const clock = virtualClock()
  const background: Promise<void>[] = []
  const lines: string[] = []
  const directory = kvDirectory(at.kv, PEPPER, clock.nowMs, { warn: (event) => void lines.push(event) })
  return {
    ...at,
    lines,
    record,
    clock,
    directory,
    background,
    presented: formatVirtualKey(key),
    later: (work: Promise<void>) => void background.push(work),
  }
}
