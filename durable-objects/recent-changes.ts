// What changed since the tables were written last, kept in one row: a commit writes that row and no other, whatever it changed. When there
// is too much for a row, it is written where it belongs, all of it at once. Knows names and texts, not what they are of.

/** What is kept of it: `flight` is an attempt in flight, part of its holder's row once that is written. */
export type Kind = 'gauge' | 'lease' | 'watch' | 'holder' | 'flight'

/** What one thing is now: JSON text; null where it is gone. */
export interface Change {
  readonly kind: Kind
  readonly id: string
  readonly state: string | null
}

export class RecentChanges {
  readonly #changes = new Map<string, Change>()
  /** What the tables have a row of, or a part of a row. What they don't have leaves no trace when it goes. */
  readonly #stored = new Set<string>()
  #chars = 0

  /** Characters of all states, about. */
  get chars(): number {
    return this.#chars
  }

  /** The tables have it. */
  noteStored(kind: Kind, id: string): void {
    this.#stored.add(nameOf(kind, id))
  }

  /** Takes a change. Returns whether it makes a difference. */
  put(change: Change): boolean {
    const name = nameOf(change.kind, change.id)
    const known = this.#changes.get(name)
    if (known?.state === change.state) return false
    this.#chars -= sizeOf(known)
    if (change.state === null && !this.#stored.has(name)) return this.#changes.delete(name)
    this.#changes.set(name, change)
    this.#chars += sizeOf(change)
    return true
  }

  /** All of them, in the order in which they first came up. */
  all(): Iterable<Change> {
    return this.#changes.values()
  }

  /** Those of these kinds were written to the tables. */
  settle(kinds: readonly Kind[]): void {
    for (const [name, change] of this.#changes) {
      if (!kinds.includes(change.kind)) continue
      if (change.state === null) this.#stored.delete(name)
      else this.#stored.add(name)
      this.#changes.delete(name)
      this.#chars -= sizeOf(change)
    }
  }

  /** As `read` takes it. */
  text(): string {
    const list: string[] = []
    for (const { kind, id, state } of this.#changes.values()) {
      list.push(`["${kind}",${JSON.stringify(id)},${state ?? 'null'}]`)
    }
    return `[${list.join(',')}]`
  }

  /** Takes over what `text` wrote. */
  read(text: string): void {
    const list: readonly (readonly [Kind, string, unknown])[] = JSON.parse(text)
    for (const [kind, id, state] of list) this.put({ kind, id, state: state === null ? null : JSON.stringify(state) })
  }
}

function nameOf(kind: Kind, id: string): string {
  return `${kind} ${id}`
}

function sizeOf(change: Change | undefined): number {
  return change === undefined ? 0 : change.id.length + (change.state?.length ?? 4)
}
