// Tables as text: CSV (RFC 4180) and newline-delimited JSON, line by line, so that a table of any length can be streamed.

export type Cell = string | number | boolean | null

/** A table's form on the wire. */
export interface TableForm {
  readonly contentType: string
  /** What comes before the rows; empty for nothing. */
  head(columns: readonly string[]): string
  row(columns: readonly string[], cells: readonly Cell[]): string
}

/** A spreadsheet takes what begins with one of these for a formula, whoever wrote it. */
const FORMULA = /^[=+\-@\t\r]/
const NUMBER = /^-?\d+(\.\d+)?$/

function csvCell(cell: Cell): string {
  if (cell === null) return ''
  const text = String(cell)
  const safe = typeof cell === 'string' && FORMULA.test(text) && !NUMBER.test(text) ? `'${text}` : text
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe
}

/** Null is empty. Text that a spreadsheet would run as a formula gets an apostrophe in front. */
export const CSV: TableForm = {
  contentType: 'text/csv; charset=utf-8; header=present',
  head: (columns) => `${columns.map(csvCell).join(',')}\r\n`,
  row: (_, cells) => `${cells.map(csvCell).join(',')}\r\n`,
}

export const NDJSON: TableForm = {
  contentType: 'application/x-ndjson; charset=utf-8',
  head: () => '',
  row: (columns, cells) =>
    `${JSON.stringify(Object.fromEntries(columns.map((name, at) => [name, cells[at] ?? null])))}\n`,
}

/** The form that an `Accept` header asks for; null for JSON, which is what everybody else gets. */
export function acceptedForm(accept: string | null): TableForm | null {
  const kinds = (accept ?? '').toLowerCase()
  if (/\btext\/csv\b/.test(kinds)) return CSV
  return /\bapplication\/(x-ndjson|ndjson|jsonl)\b/.test(kinds) ? NDJSON : null
}

/** A page of a table, and from where the next one is read; null at the end. */
export interface TablePage<Place> {
  readonly rows: readonly (readonly Cell[])[]
  readonly next: Place | null
}

/** The table as a stream that reads a page when there is room for it: memory is bounded by a page, however slow the reader.
 *  A page that can't be read breaks the stream, so that a part is never taken for the whole. */
export function tableStream<Place>(
  form: TableForm,
  columns: readonly string[],
  first: Place,
  page: (place: Place) => Promise<TablePage<Place>>,
): ReadableStream<Uint8Array> {
  const encoder = new TextEncoder()
  let place: Place | null = first
  const head = form.head(columns)
  return new ReadableStream<Uint8Array>(
    {
      start: (controller) => {
        if (head !== '') controller.enqueue(encoder.encode(head))
      },
      async pull(controller) {
        while (place !== null) {
          const { rows, next }: TablePage<Place> = await page(place)
          place = next
          if (rows.length === 0) continue
          controller.enqueue(encoder.encode(rows.map((cells) => form.row(columns, cells)).join('')))
          return
        }
        controller.close()
      },
    },
    { highWaterMark: 0 },
  )
}
