// Who presented which key lately, and what the limiter has said of keys since: KV's edge may not know that yet.
import type { SecretEnd } from '../core/limits/limits.ts'
import { type KnownCaller, UNKNOWN_MS } from './read-caller.ts'

const CALLERS_MAX = 10_000
/** Revoked keys, and ends of secrets, that are remembered. */
const REVOKED_MAX = 10_000

export class KnownCallers {
  readonly #callers = new Map<string, KnownCaller>()
  readonly #revoked = new Set<string>()
  /** By key and mark. */
  readonly #ends = new Map<string, number>()

  /** What is known of a presented key; undefined where it has to be looked up. */
  get(presented: string, nowMs: number): KnownCaller | undefined {
    const known = this.#callers.get(presented)
    return known !== undefined && nowMs < known.untilMs ? known : undefined
  }

  /** Remembers what KV had, as far as the limiter has said nothing else; that is what it is. */
  take(presented: string, found: KnownCaller, nowMs: number): KnownCaller {
    const { keyId } = found
    const isRevoked = keyId !== null && this.#revoked.has(keyId)
    const endMs = this.#ends.get(nameOf(found)) ?? Infinity
    const known = isRevoked ? { ...found, answer: 'revoked' as const } : endingAt(found, endMs, nowMs)
    if (this.#callers.size >= CALLERS_MAX) this.#forgetOldest()
    this.#callers.set(presented, known)
    return known
  }

  revoke(keyIds: readonly string[]): void {
    if (this.#revoked.size >= REVOKED_MAX) this.#revoked.clear()
    for (const keyId of keyIds) this.#revoked.add(keyId)
    this.#forget(({ keyId }) => keyId !== null && keyIds.includes(keyId))
  }

  endSecrets(told: readonly SecretEnd[]): void {
    for (const end of told) {
      const name = nameOf(end)
      if ((this.#ends.get(name) ?? Infinity) <= end.untilMs) continue
      if (this.#ends.size >= REVOKED_MAX) this.#ends.clear()
      this.#ends.set(name, end.untilMs)
      this.#forget((known) => nameOf(known) === name)
    }
  }

  clear(): void {
    this.#callers.clear()
  }

  #forget(isOver: (known: KnownCaller) => boolean): void {
    for (const [presented, known] of this.#callers) if (isOver(known)) this.#callers.delete(presented)
  }

  /** A tenth of the entries, those that were learnt first. */
  #forgetOldest(): void {
    let most = Math.ceil(CALLERS_MAX / 10)
    for (const presented of this.#callers.keys()) {
      if (most-- === 0) return
      this.#callers.delete(presented)
    }
  }
}

function nameOf({ keyId, mark }: { readonly keyId: string | null; readonly mark: string | null }): string {
  return `${keyId}/${mark}`
}

/** What is known of a caller whose secret ends then. */
function endingAt(known: KnownCaller, endMs: number, nowMs: number): KnownCaller {
  if (typeof known.answer === 'string') return known
  if (nowMs >= endMs) return { ...known, answer: 'rotated', untilMs: nowMs + UNKNOWN_MS }
  return { ...known, untilMs: Math.min(known.untilMs, endMs) }
}
