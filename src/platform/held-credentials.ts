// Credentials that aren't simply secrets of the Worker: those that the routing snapshot holds, encrypted, and those of a
// Secrets Store. Each is opened or asked for when it is first needed, and then known to this isolate, in memory only, until
// the snapshot has another. Loaded with the first of them.
import type { HeldCredential, RoutingSnapshot } from '../core/directory.ts'
import { presentName, withHeld } from '../core/held-credential.ts'
import { type MasterKeys, unseal } from '../ledger/credentials/seal.ts'
import { CredentialError } from './auth/credential-error.ts'

/** What a Worker's environment offers, by name. */
type Bindings = Readonly<Record<string, unknown>>

interface Opened {
  readonly sealed: string
  /** The secrets it was opened with: others are to be tried anew. */
  readonly keys: string
  readonly value: string
}

interface Asked {
  value: string
  atMs: number
  /** Since when it is being asked for again. */
  askingSinceMs: number
}

/** A secret of a Secrets Store, as its binding. */
interface StoreSecret {
  get(): Promise<string>
}

/** Credentials that are known at once. */
const OPENED_MAX = 500
/** A Secrets Store is asked again, behind the requests' backs, when it was asked longer ago than this … */
const STORE_MS = 60_000
/** … before the secret is used, when longer ago than this … */
const STORE_MS_MAX = 600_000
/** … and by another request, when nothing came of it for so long. */
const STORE_ASKING_MS = 5_000
const STORE_TIMEOUT_MS = 5_000

const opened = new Map<string, Opened>()
const asked = new WeakMap<StoreSecret, Asked>()

/** `snapshot` with each target told where its credentials are; `untilMs`: when that is to be done again, since the time of one
 *  that was replaced is over. What the snapshot no longer holds is forgotten. */
export function withCredentials(
  snapshot: RoutingSnapshot,
  nowMs: number,
): { readonly snapshot: RoutingSnapshot; readonly untilMs: number } {
  const { credentials = {}, targets } = snapshot
  const held = Object.values(credentials).flatMap(({ is, previous }) => [
    is,
    ...(previous === undefined ? [] : [previous.was]),
  ])
  forgetOthers(new Set(held.flatMap((one) => ('sealed' in one ? [one.sealed] : []))))
  const ends = Object.values(credentials).flatMap(({ previous }) => {
    return previous === undefined || previous.untilMs <= nowMs ? [] : [previous.untilMs]
  })
  const told = Object.entries(targets).map(([id, target]) => [id, withHeld(target, credentials, nowMs)] as const)
  return { snapshot: { ...snapshot, targets: Object.fromEntries(told) }, untilMs: Math.min(Infinity, ...ends) }
}

/** Forgets what was opened, but for these. */
export function forgetOthers(sealed: ReadonlySet<string>): void {
  for (const [name, one] of opened) if (!sealed.has(one.sealed)) opened.delete(name)
}

/** A credential that is known to this isolate; null where it has to be got. */
export function knownSecret(
  name: string,
  held: HeldCredential | undefined,
  bindings: Bindings,
  nowMs: number,
): string | null {
  if (held !== undefined && 'sealed' in held) {
    const known = opened.get(name)
    return known?.sealed === held.sealed && known.keys === keysText(bindings) ? known.value : null
  }
  const store = storeSecret(name, held, bindings)
  const known = store === null ? undefined : asked.get(store)
  if (store === null || known === undefined || nowMs - known.atMs > STORE_MS_MAX) return null
  if (nowMs - known.atMs > STORE_MS && nowMs - known.askingSinceMs > STORE_ASKING_MS) {
    known.askingSinceMs = nowMs
    // What comes of it is for those after this request; nothing waits for it, and the one in hand is still good.
    void ask(store, nowMs).catch(() => {})
  }
  return known.value
}

/** A credential, opened or asked for. Rejects with a CredentialError that says why there is none. */
export async function getSecret(
  name: string,
  held: HeldCredential | undefined,
  bindings: Bindings,
  nowMs: number,
): Promise<string> {
  if (held !== undefined && 'isMissing' in held) throw new CredentialError('The target’s credential has no value.')
  if (held !== undefined && 'sealed' in held) return open(name, held, bindings)
  const store = storeSecret(name, held, bindings)
  if (store === null) throw new CredentialError('The secret that the target’s credential stands for is not set.')
  try {
    return await ask(store, nowMs)
  } catch {
    throw new CredentialError('The Secrets Store doesn’t give the target’s credential.')
  }
}

async function open(
  name: string,
  { sealed, version }: Extract<HeldCredential, { readonly sealed: string }>,
  bindings: Bindings,
): Promise<string> {
  const text = await unseal(masterKeysOf(bindings), { id: presentName(name), version }, sealed)
  if (!text.ok) throw new CredentialError(`The target’s credential can’t be opened: ${text.error}.`)
  const [oldest] = opened.keys()
  if (opened.size >= OPENED_MAX && oldest !== undefined) opened.delete(oldest)
  opened.set(name, { sealed, keys: keysText(bindings), value: text.value })
  return text.value
}

async function ask(store: StoreSecret, nowMs: number): Promise<string> {
  let stop = (): void => {}
  const late = new Promise<never>((_, reject) => {
    const timer = setTimeout(() => reject(new Error('late')), STORE_TIMEOUT_MS)
    stop = () => clearTimeout(timer)
  })
  try {
    const value = await Promise.race([store.get(), late])
    if (value === '') throw new Error('empty')
    asked.set(store, { value, atMs: nowMs, askingSinceMs: 0 })
    return value
  } finally {
    stop()
  }
}

function storeSecret(name: string, held: HeldCredential | undefined, bindings: Bindings): StoreSecret | null {
  const binding = bindings[held !== undefined && 'secret' in held ? held.secret : name]
  return isStoreSecret(binding) ? binding : null
}

function isStoreSecret(binding: unknown): binding is StoreSecret {
  return typeof binding === 'object' && binding !== null && 'get' in binding && typeof binding.get === 'function'
}

function masterKeysOf(bindings: Bindings): MasterKeys {
  const { CREDENTIAL_KEY: current, CREDENTIAL_KEY_PREVIOUS: previous } = bindings
  return {
    CREDENTIAL_KEY: typeof current === 'string' ? current : undefined,
    CREDENTIAL_KEY_PREVIOUS: typeof previous === 'string' ? previous : undefined,
  }
}

function keysText(bindings: Bindings): string {
  const keys = masterKeysOf(bindings)
  return `${keys.CREDENTIAL_KEY ?? ''} ${keys.CREDENTIAL_KEY_PREVIOUS ?? ''}`
}
