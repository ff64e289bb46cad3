// Kills a stream in every place and in every way, or in a few of them, and counts what came of it. Places that are one to die in
// (kill-classes.ts) are tried at both ends, and now and then between them; where the ends differ, each of them is tried.
import { isDeepStrictEqual } from 'node:util'
import { classesOf } from './kill-classes.ts'
import { DEATHS, type Death, type Kill, type Outcome, kill, lastBytes } from './kill-matrix.ts'
import { CLIENTS, type Verdict } from './kill-verdict.ts'

type Counts = Record<Verdict, number>

const NONE: Counts = { whole: 0, recovered: 0, declared: 0, wrong: 0 }
/** One class in so many is tried between its ends, too. */
const BETWEEN = 2
/** Streams of whoever goes on are cut in many places: of each class so many pairs are tried. */
const PAIRS = 5

/** What one stream came to. */
export interface StreamTally {
  readonly counts: Counts
  readonly objections: string[]
  /** Counts what `places` places came to. */
  note(outcome: Outcome, death: Death, place: number, places: number): void
  /** A kill was made; whether it was one to check that a class is one. */
  killed(isCheck: boolean): void
  split(): void
  /** Not all places were tried, nor one for each. */
  sampled(death: Death, places: number, tried: number): void
}

interface Row extends Counts {
  kills: number
}

/** What all streams came to, for a table. */
export class KillTally {
  readonly #streams = new Map<string, Row>()
  readonly #deaths = new Map<string, Counts>()
  readonly #reasons = new Map<string, number>()
  #kills = 0
  #checks = 0
  #splits = 0
  #sampled = { places: 0, tried: 0 }

  of(name: string, one: Kill, isObjection: (outcome: Outcome, death: Death) => boolean): StreamTally {
    const counts = { ...NONE }
    const objections: string[] = []
    const stream = rowOf(this.#streams, name)
    return {
      counts,
      objections,
      note: (outcome, death, place, places) => {
        const { verdict, detail, text } = outcome
        const byDeath = countsOf(this.#deaths, death)
        for (const row of [counts, stream, byDeath]) row[verdict] += places
        if (verdict === 'declared') this.#reasons.set(detail, (this.#reasons.get(detail) ?? 0) + places)
        if (!isObjection(outcome, death)) return
        objections.push(`${one.source.dialect} to ${one.heir.dialect}, ${death} after ${place}: ${detail}\n${text}`)
      },
      killed: (isCheck) => {
        stream.kills += 1
        this.#kills += 1
        if (isCheck) this.#checks += 1
      },
      split: () => {
        this.#splits += 1
      },
      sampled: (_death, places, tried) => {
        this.#sampled = { places: this.#sampled.places + places, tried: this.#sampled.tried + tried }
      },
    }
  }

  print(): void {
    console.table(Object.fromEntries(this.#streams))
    console.table(Object.fromEntries(this.#deaths))
    for (const [reason, count] of this.#reasons) console.log(`declared ${count} times: ${reason}`)
    const all = [...this.#streams.values()].reduce(
      (sum, row) => sum + row.whole + row.recovered + row.declared + row.wrong,
      0,
    )
    const { places, tried } = this.#sampled
    console.log(
      `${all} deaths, each place in each way, by ${this.#kills} kills: places where the same messages have come by then are one, if ` +
        `the first and the last come to the same. ${this.#splits} such classes didn't hold, and each of their places was tried; ` +
        `${this.#checks} kills between the ends came to what the ends did. Sampled: those of who goes on, ${tried} of ${places} places.`,
    )
  }
}

function countsOf(rows: Map<string, Counts>, name: string): Counts {
  const row = rows.get(name) ?? { ...NONE }
  rows.set(name, row)
  return row
}

function rowOf(rows: Map<string, Row>, name: string): Row {
  const row = rows.get(name) ?? { ...NONE, kills: 0 }
  rows.set(name, row)
  return row
}

/** Every place of a stream, in one way; of many parts one. */
export async function killInClasses(
  one: Kill,
  death: Death,
  part: { readonly number: number; readonly of: number },
  tally: StreamTally,
): Promise<void> {
  for (const { first, last } of classesOf(one, lastBytes(one, death))) {
    const draw = mixed(first, one.bytes.length)
    if (draw % part.of !== part.number) continue
    if (death === 'twice') await killInPairs(one, { first, last }, tally)
    else await killInClass(one, death, { first, last, isChecked: (draw >>> 12) % BETWEEN === 0 }, tally)
  }
}

/** A number that looks like chance and is the same in every run. */
function mixed(...numbers: readonly number[]): number {
  let mix = 0x9e3779b9
  for (const number of numbers) {
    mix = Math.imul(mix ^ number, 0x85ebca6b)
    mix = Math.imul(mix ^ (mix >>> 13), 0xc2b2ae35)
    mix ^= mix >>> 16
  }
  return mix >>> 0
}

async function killInClass(
  one: Kill,
  death: Death,
  { first, last, isChecked }: { readonly first: number; readonly last: number; readonly isChecked: boolean },
  tally: StreamTally,
): Promise<void> {
  const at = async (place: number, isCheck = false): Promise<Outcome> => {
    tally.killed(isCheck)
    return kill(one, place, death)
  }
  const begin = await at(first)
  const end = first === last ? begin : await at(last)
  const isOne = isDeepStrictEqual(begin, end)
  if (isOne) {
    const between = first + 1 + (mixed(last) % Math.max(1, last - first - 1))
    const isSame = !isChecked || between >= last || isDeepStrictEqual(await at(between, true), begin)
    if (isSame) return tally.note(begin, death, first, last - first + 1)
  }
  tally.split()
  for (let place = first; place <= last; place += 1) tally.note(await at(place), death, place, 1)
}

/** Both die: the second somewhere, for each place of the first elsewhere. */
async function killInPairs(
  one: Kill,
  { first, last }: { first: number; last: number },
  tally: StreamTally,
): Promise<void> {
  const steps = Array.from({ length: PAIRS }, (_, at) => first + Math.floor((at * (last - first)) / (PAIRS - 1)))
  const places = [...new Set(steps)]
  tally.sampled('twice', last - first + 1, places.length)
  for (const place of places) {
    tally.killed(false)
    tally.note(await kill(one, place, 'twice'), 'twice', place, 1)
  }
}

/** A few places, each in the next way, for each client others. */
export async function killInPlaces(one: Kill, ways: readonly Death[], most: number, tally: StreamTally): Promise<void> {
  const turn = CLIENTS.indexOf(one.asking.client)
  for (const [at, place] of someOf(one.bytes.length, most).entries()) {
    const death = ways[(at + turn) % ways.length] ?? DEATHS[0]
    tally.killed(false)
    tally.note(await kill(one, place, death), death, place, 1)
  }
}

function someOf(length: number, most: number): readonly number[] {
  // Odd steps, so that no place in an event is always missed.
  return Array.from({ length: most }, (_, at) =>
    Math.floor(((at + 0.5 + 0.37 * Math.sin(at * 7 + length)) * length) / most),
  )
}
