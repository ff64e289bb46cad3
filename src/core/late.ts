// Code that is loaded when it is first needed, and is there at once from then on. Whoever needs it asks whether it is there,
// which costs no promise, and waits for it only where it isn't.

/** One thing that may be loaded late. */
export interface Late<T> {
  /** The thing; null until it is loaded. */
  now(): T | null
  /** The thing, loaded where it isn't yet. Rejects when it can't be; the next call tries again. */
  load(): Promise<T>
}

/** What `load`, an `import()`, gives: the module system runs a module once, however many ask for it at the same time. No promise
 *  is kept for those who come later: it would belong to the request that was first, and end with it. */
export function late<T>(load: () => Promise<T>): Late<T> {
  let loaded: T | null = null
  return {
    now: () => loaded,
    load: async () => (loaded ??= await load()),
  }
}

/** What is there from the start. */
export function present<T>(thing: T): Late<T> {
  return { now: () => thing, load: async () => thing }
}

/** Things by name, of which some are there from the start and others are loaded late. */
export interface LateRegistry<Name extends string, Member> {
  readonly names: readonly Name[]
  has(name: string): name is Name
  /** A member, to be loaded where it isn't yet. */
  of(name: Name): Late<Member>
  /** A member that is known to be loaded. Throws where it isn't: whoever asks has to see to it first. */
  get(name: Name): Member
  /** Every member, loaded. */
  all(): Promise<Readonly<Record<Name, Member>>>
}

/** A registry of `members`. */
export function lateRegistry<Name extends string, Member>(
  members: Readonly<Record<Name, Late<Member>>>,
): LateRegistry<Name, Member> {
  const has = (name: string): name is Name => Object.hasOwn(members, name)
  const names = Object.keys(members).filter(has)
  return {
    names,
    has,
    of: (name) => members[name],
    get(name) {
      const member = members[name].now()
      if (member === null) throw new Error(`${name} is not loaded`)
      return member
    },
    async all() {
      const loaded: Partial<Record<Name, Member>> = {}
      for (const name of names) loaded[name] = await members[name].load()
      const isWhole = (record: Partial<Record<Name, Member>>): record is Record<Name, Member> =>
        names.every((name) => name in record)
      if (!isWhole(loaded)) throw new Error('a member is missing')
      return loaded
    },
  }
}
