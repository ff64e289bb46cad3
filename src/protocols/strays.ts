// Finds the members that a protocol doesn't know, or not in that form, wherever they stand inside messages, parts, tools and
// settings. Members at the top of a body are the readers' own business (`extra`). One pass over a request that is to be translated; nothing is
// built as long as nothing is found. What may stand where is data: the `*-strays.ts` beside this.
import type { Wire } from '../core/directory.ts'
import { isJsonObject } from '../core/json.ts'
import type { Json, JsonObject } from '../core/json.ts'
import type { Stray } from '../core/neutral.ts'
import { isJsonArray } from '../wire/read.ts'

/** What is known of a member. `null`: it isn't looked into, because it is read or carried as a whole, or is a hint. A type:
 *  it can't be read in any other. `false`: asks for something, and has no place, at any other value. */
type Known = Shape | 'string' | 'number' | 'boolean' | 'object' | null | false

/** The members that an object may have. */
export interface Members {
  readonly known: ReadonlyMap<string, Known>
  /** Members of other names are none of our business either: what a reply said, or what is a gap as a whole. */
  readonly isOpen?: boolean
  /** The wire that carries what isn't known, too. */
  readonly carrier?: Wire
}

/** What is known of a value: of the object itself, or of each in a list. By function where that depends on the object;
 *  null for one that isn't looked into. Texts and numbers have no members. */
export type Shape = Members | ((object: JsonObject) => Members | null)

/** Members of these names and shapes, and no others. */
export function members(known: Readonly<Record<string, Known>>, more: Omit<Members, 'known'> = {}): Members {
  return { known: new Map(Object.entries(known)), ...more }
}

/** Members that are all read as a whole. */
export function names(...known: readonly string[]): Members {
  return { known: new Map(known.map((name) => [name, null])) }
}

/** What clients note for themselves, and models are not told: never a stray. */
export const NOTES = { id: null, providerOptions: null, providerMetadata: null } as const

/** The members of `body` that `shape` doesn't know, each name once, where it stands first. Null, an empty text and an empty
 *  list say nothing and are none. */
export function straysIn(body: JsonObject, shape: Members): { readonly strays?: readonly Stray[] } {
  const search = new Search()
  search.look(body, shape)
  return search.found === null ? {} : { strays: [...search.found.values()] }
}

class Search {
  /** By their names without places. */
  found: Map<string, Stray> | null = null
  readonly #path: (string | number)[] = []

  look(value: Json, shape: Shape): void {
    if (isJsonArray(value)) {
      for (let i = 0; i < value.length; i += 1) {
        const item = value[i]
        if (typeof item === 'object' && item !== null) this.#step(i, item, shape)
      }
    } else if (isJsonObject(value)) {
      const expected = typeof shape === 'function' ? shape(value) : shape
      if (expected !== null) this.#compare(value, expected)
    }
  }

  #compare(object: JsonObject, expected: Members): void {
    for (const name in object) {
      const member = object[name]
      const known = expected.known.get(name)
      if (known === null || (known === undefined && expected.isOpen === true) || !saysSomething(member)) continue
      if (typeof known === 'object' || typeof known === 'function') {
        if (typeof member === 'object') this.#step(name, member, known)
        // What stands at the top in such a form is in `extra`.
        else if (typeof member !== 'string' && this.#path.length > 0) this.#add(name, expected.carrier)
      } else if (known === undefined || (known === false ? member !== false : typeof member !== known)) {
        this.#add(name, expected.carrier)
      }
    }
  }

  #step(to: string | number, value: Json, shape: Shape): void {
    this.#path.push(to)
    this.look(value, shape)
    this.#path.pop()
  }

  #add(name: string, carrier: Wire | undefined): void {
    const steps = [...this.#path, name]
    const field = steps.filter((step) => typeof step === 'string').join('.')
    this.found ??= new Map()
    if (this.found.has(field)) return
    const path = steps
      .map((step, at) => (typeof step === 'number' ? `[${step}]` : at === 0 ? step : `.${step}`))
      .join('')
    this.found.set(field, { field, path, ...(carrier === undefined ? {} : { carrier }) })
  }
}

function saysSomething(member: Json | undefined): member is Exclude<Json, null> {
  if (member === undefined || member === null || member === '') return false
  return !isJsonArray(member) || member.length > 0
}
