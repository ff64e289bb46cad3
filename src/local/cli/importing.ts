// What an importer does with each field of a foreign configuration: carries it over, changes it, or can't. Every field is in
// the report, by its path; what no importer asked for is in it, too, as not carried over. Values are never in it: some are secrets.

/** What became of a field. */
export type Fate = 'carried' | 'changed' | 'dropped'

export interface ReportLine {
  /** Path in the file that was read. */
  readonly from: string
  /** What says the same in ours; null for nothing. */
  readonly to: string | null
  /** Why it is otherwise, or not at all; null where it is the same. */
  readonly why: string | null
}

export interface ImportReport {
  readonly carried: readonly ReportLine[]
  readonly changed: readonly ReportLine[]
  readonly dropped: readonly ReportLine[]
  /** Secrets that have to be set before the file can be applied. */
  readonly secrets: readonly string[]
}

/** A document of ours, and what became of every field of the other. */
export interface Imported {
  readonly document: Readonly<Record<string, unknown>>
  readonly report: ImportReport
}

export type Fields = Readonly<Record<string, unknown>>

export function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** Notes the fate of every field of one foreign configuration. */
export class Fates {
  readonly #lines = new Map<string, { readonly fate: Fate; readonly line: ReportLine }>()
  readonly #secrets = new Set<string>()
  readonly #source: unknown

  constructor(source: unknown) {
    this.#source = source
  }

  carried(from: string, to: string): void {
    this.#note('carried', { from, to, why: null })
  }

  changed(from: string, to: string, why: string): void {
    this.#note('changed', { from, to, why })
  }

  dropped(from: string, why: string): void {
    this.#note('dropped', { from, to: null, why })
  }

  secret(name: string): void {
    this.#secrets.add(name)
  }

  /** The report: fields that nobody noted are dropped. */
  report(): ImportReport {
    const unknown = leavesOf(this.#source, '').filter((path) => !this.#isNoted(path))
    for (const path of unknown) this.dropped(path, 'there is nothing like it here, or it is not known')
    const of = (fate: Fate) => [...this.#lines.values()].filter((one) => one.fate === fate).map(({ line }) => line)
    return {
      carried: of('carried'),
      changed: of('changed'),
      dropped: of('dropped'),
      secrets: [...this.#secrets].toSorted(),
    }
  }

  /** The first word about a field counts: it is the most particular. */
  #note(fate: Fate, line: ReportLine): void {
    if (!this.#lines.has(line.from)) this.#lines.set(line.from, { fate, line })
  }

  #isNoted(path: string): boolean {
    if (this.#lines.has(path)) return true
    const parents = [...path.matchAll(/[.[]/g)].map(({ index }) => path.slice(0, index))
    return parents.some((parent) => this.#lines.has(parent))
  }
}

/** Paths of all values that aren't themselves made of others. */
export function leavesOf(value: unknown, path: string): readonly string[] {
  if (Array.isArray(value)) {
    return value.length === 0 ? [path] : value.flatMap((item, index) => leavesOf(item, `${path}[${index}]`))
  }
  if (!isFields(value)) return path === '' ? [] : [path]
  const entries = Object.entries(value)
  if (entries.length === 0) return path === '' ? [] : [path]
  return entries.flatMap(([name, below]) => leavesOf(below, path === '' ? name : `${path}.${name}`))
}

/** A name that a target can have. */
export function slugOf(text: string): string {
  const slug = text.replace(/[^A-Za-z0-9._-]+/g, '-').replace(/^[^A-Za-z0-9]+|-+$/g, '')
  return (slug === '' ? 'target' : slug).slice(0, 90)
}

/** A name of which there is no other yet. */
export function uniqueIn(taken: Set<string>, wanted: string): string {
  let name = wanted
  for (let nth = 2; taken.has(name); nth++) name = `${wanted}-${nth}`
  taken.add(name)
  return name
}

const CREDENTIAL = /^[A-Z][A-Z0-9_]{0,99}_(?:API_KEY|CREDENTIALS|ACCESS_KEY)$/

/** The name of the secret that takes the place of an environment variable. */
export function secretFor(variable: string): string {
  const name = variable
    .toUpperCase()
    .replace(/[^A-Z0-9]+/g, '_')
    .replace(/^[^A-Z]+/, '')
  return CREDENTIAL.test(name) ? name : `${name === '' ? 'IMPORTED' : name.replace(/_(?:KEY|TOKEN)$/, '')}_API_KEY`
}

/** USD a token as USD per million, in decimal text of six decimals; null for no such price. */
export function perMillion(usdPerToken: unknown): string | null {
  if (typeof usdPerToken !== 'number' || !(usdPerToken >= 0)) return null
  const text = (usdPerToken * 1_000_000).toFixed(6).replace(/0{1,4}$/, '')
  return Number(text) <= 1_000_000 ? text : null
}

/** USD as decimal text. */
export function usdText(usd: number): string {
  return usd.toFixed(9).replace(/0{1,7}$/, '')
}

/** Each next to the others, or the one by itself. */
export function notEmpty(section: string, items: readonly unknown[]): Fields {
  return items.length === 0 ? {} : { [section]: items }
}
