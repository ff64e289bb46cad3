// Lists, page by page, all in one way: `limit` and `cursor` in, `{rows, next}` out; `next` is the cursor of the page after, null
// where there is none. A page goes on behind the last row of the one before, also when that row is gone by then.
import * as z from 'zod/mini'

/** Rows of one page at most. */
export const PAGE_ROWS_MAX = 1_000
const CURSOR_CHARS_MAX = 400

const LIMIT_ALLOWED = `must be an integer from 1 to ${PAGE_ROWS_MAX}`
const CURSOR_ALLOWED = 'must be the next of an earlier page'

/** The query of a list that is kept whole: without a limit it comes whole. */
export const PAGE = z.strictObject({
  limit: z.optional(z.string(LIMIT_ALLOWED).check(z.refine(isLimit, LIMIT_ALLOWED))),
  cursor: z.optional(
    z
      .string(CURSOR_ALLOWED)
      .check(z.refine((text) => text.length <= CURSOR_CHARS_MAX && readPlace(text) !== null, CURSOR_ALLOWED)),
  ),
})

export interface PageQuery {
  readonly limit?: string | undefined
  readonly cursor?: string | undefined
}

export interface Page<Shown> {
  readonly rows: readonly Shown[]
  readonly next: string | null
}

/** Where a row stands in its list: by number, then by text, both ascending. Of no two rows the same. */
export type Place = readonly [number, string]

interface Made {
  readonly created_at_ms: number
  readonly id: string
}

/** A page of rows that stand as the store lists them: oldest first. */
export function paged<Row extends Made, Shown>(
  asked: PageQuery,
  rows: readonly Row[],
  show: (row: Row) => Shown,
): Page<Shown> {
  return pagedBy(asked, rows, { show, placeOf: (row) => [row.created_at_ms, row.id] })
}

/** A page of rows that stand in the order of their places. */
export function pagedBy<Row, Shown>(
  { limit, cursor }: PageQuery,
  rows: readonly Row[],
  { show, placeOf }: { readonly show: (row: Row) => Shown; readonly placeOf: (row: Row) => Place },
): Page<Shown> {
  const behind = cursor === undefined ? null : readPlace(cursor)
  const left = behind === null ? rows : rows.filter((row) => isAfter(placeOf(row), behind))
  const page = limit === undefined ? left : left.slice(0, Number(limit))
  const last = page.at(-1)
  const isMore = last !== undefined && page.length < left.length
  return { rows: page.map(show), next: isMore ? writePlace(placeOf(last)) : null }
}

function isLimit(text: string): boolean {
  return /^[1-9]\d{0,3}$/.test(text) && Number(text) <= PAGE_ROWS_MAX
}

function isAfter([number, text]: Place, [otherNumber, otherText]: Place): boolean {
  return number === otherNumber ? text > otherText : number > otherNumber
}

function writePlace([number, text]: Place): string {
  return `${number}~${text}`
}

function readPlace(text: string): Place | null {
  const found = /^(-?\d{1,15})~(.*)$/s.exec(text)
  return found === null ? null : [Number(found[1]), found[2] ?? '']
}
