// What one isolate knows of a tenant's keys: which are revoked, as the limiter tells with its replies; and of keys that are answered
// from the cache, without a lease, and so wouldn't be heard of: which it is to be told of, and when it was last heard of each.

/** For so long a key is taken to be what it was when the limiter was last heard of it: as long as a lease that nobody
 *  uses is kept without the limiter having been heard of. */
const KNOWN_MS = 8_000
/** A key is asked about, behind its requests, when it was heard of so long ago; and again after a while without an answer. */
const DUE_MS = 4_000
const AGAIN_MS = 1_000
/** Keys at once, of each kind: of more, the limiter is asked. */
const KEYS_MAX = 1_000

/** What is known of a key. `isDue`: it has to be asked about. */
export interface KeyNews {
  /** null: nothing is known. */
  readonly isRevoked: boolean | null
  readonly isDue: boolean
}

interface Heard {
  readonly atMs: number
  readonly askedAtMs: number
}

export class KnownKeys {
  /** While something ran under them, perhaps: what runs still has to end. */
  readonly #revoked = new Set<string>()
  readonly #answered = new Set<string>()
  /** Those that the limiter was heard of longest ago come first. */
  readonly #heard = new Map<string, Heard>()

  revoke(keyId: string): void {
    if (this.#revoked.size >= KEYS_MAX) this.#revoked.clear()
    this.#revoked.add(keyId)
  }

  isRevoked(keyId: string): boolean {
    return this.#revoked.has(keyId)
  }

  /** A request of this key was answered from the cache. */
  answered(keyId: string): void {
    if (this.#answered.size < KEYS_MAX) this.#answered.add(keyId)
  }

  /** What the next message says of them. */
  told(): { readonly unleasedKeyIds?: readonly string[] } {
    return this.#answered.size === 0 ? {} : { unleasedKeyIds: [...this.#answered] }
  }

  /** The limiter was asked about these at `atMs`, and has answered. */
  heard(keyIds: readonly string[], atMs: number): void {
    for (const keyId of keyIds) {
      this.#answered.delete(keyId)
      this.#heard.delete(keyId)
      this.#heard.set(keyId, { atMs, askedAtMs: atMs })
    }
    for (const keyId of this.#heard.keys()) {
      if (this.#heard.size <= KEYS_MAX) return
      this.#heard.delete(keyId)
    }
  }

  /** The limiter was asked about a key at `atMs` and is away: for a while the key goes on. */
  unheard(keyId: string, atMs: number): void {
    this.heard([keyId], atMs - DUE_MS)
  }

  /** As far as it was heard of lately. Whoever is told that it is due asks. */
  newsOf(keyId: string, nowMs: number): KeyNews {
    if (this.#revoked.has(keyId)) return { isRevoked: true, isDue: false }
    const heard = this.#heard.get(keyId)
    if (heard === undefined || nowMs - heard.atMs > KNOWN_MS) return { isRevoked: null, isDue: true }
    const isDue = nowMs - heard.atMs > DUE_MS && nowMs - heard.askedAtMs > AGAIN_MS
    if (isDue) this.#heard.set(keyId, { ...heard, askedAtMs: nowMs })
    return { isRevoked: false, isDue }
  }
}
