// Where in `usage_events` a stretch of time lies, without an index of times, which would double what an event costs to
// write. Request ids are UUIDv7: they begin with the time they were made at, so the primary key is in the order of time
// already. An event whose id says another time than its start is a stray: there is an index of those alone.

/** An id may be made this much before or after its request starts: a clock that is set back holds up its ids by ten seconds. */
const ID_SLACK_MS = 60_000

/** SQL: the first id that may be made at the instant that `ms` gives. Ids are compared as text. */
function idAt(ms: string): string {
  return `format('%.8x-%.4x', (${ms}) >> 16, (${ms}) & 65535)`
}

const EARLIEST_ID = (startedAtMs: string): string => idAt(`max(${startedAtMs} - ${ID_SLACK_MS}, 0)`)
const LATEST_ID = (startedAtMs: string): string => idAt(`${startedAtMs} + ${ID_SLACK_MS}`)

/** SQL, as the index `usage_events_astray` has it: true of an event whose id doesn't begin with the time it started at. */
export const IS_STRAY = `(request_id < ${EARLIEST_ID('started_at_ms')} OR request_id >= ${LATEST_ID('started_at_ms')})`

/** SQL: events that started in [from, to), found by their ids, and no strays. `from` and `to` are SQL for epoch ms. */
export function inOrder(from: string, to: string): string {
  return `request_id >= ${EARLIEST_ID(from)} AND request_id < ${LATEST_ID(to)}
    AND started_at_ms >= ${from} AND started_at_ms < ${to} AND NOT ${IS_STRAY}`
}

/** SQL: the strays that started in [from, to). */
export function astray(from: string, to: string): string {
  return `${IS_STRAY} AND started_at_ms >= ${from} AND started_at_ms < ${to}`
}

/** SQL: a text by which events are in the order of time: the id, or for a stray one made of its start. */
export const STRAY_ORDER = `${idAt('started_at_ms')} || '-' || request_id`

/** The same for an event in hand. */
export function orderOf(event: { readonly requestId: string; readonly startedAtMs: number }): string {
  const { requestId, startedAtMs } = event
  const isStray =
    requestId < textAt(Math.max(startedAtMs - ID_SLACK_MS, 0)) || requestId >= textAt(startedAtMs + ID_SLACK_MS)
  return isStray ? `${textAt(startedAtMs)}-${requestId}` : requestId
}

/** `idAt` of a number. */
export function textAt(ms: number): string {
  const hex = (value: number, digits: number): string => value.toString(16).padStart(digits, '0')
  return `${hex(Math.floor(ms / 65_536), 8)}-${hex(ms % 65_536, 4)}`
}
