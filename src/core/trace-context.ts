// Whose trace a request is part of, and the ids under which it and its attempts are told. Ids are made from the request's own
// id, so that whoever tells of it twice tells of the same. https://www.w3.org/TR/trace-context/ (read 2026-11-21)

/** What a client says of the span that its request is part of. */
export interface TraceParent {
  /** 32 hex digits. */
  readonly traceId: string
  /** The client's span and its flags: `<16 hex digits>-<2 hex digits>`. */
  readonly span: string
}

const TRACEPARENT = /^(?!ff)([0-9a-f]{2})-(?!0{32})([0-9a-f]{32})-((?!0{16})[0-9a-f]{16}-[0-9a-f]{2})(-.*)?$/
const SPAN = /^([0-9a-f]{16})-([0-9a-f]{2})$/
const TRACE_ID = /^(?!0{32})[0-9a-f]{32}$/
const IS_SAMPLED = 1

/** A `traceparent` header; null for one that isn't valid. More than version 00 knows is left out of account. */
export function readTraceparent(header: string): TraceParent | null {
  const [, version, traceId, span, rest] = TRACEPARENT.exec(header) ?? []
  if (traceId === undefined || span === undefined || (version === '00' && rest !== undefined)) return null
  return { traceId, span }
}

/** The trace of a request: the one that its client named, where that is 32 hex digits; else its own, made from its id. */
export function traceIdOf(requestId: string, named: string | null): string {
  const given = named?.toLowerCase() ?? ''
  if (TRACE_ID.test(given)) return given
  const own = requestId.replaceAll('-', '')
  return TRACE_ID.test(own) ? own : hash64(`trace ${requestId}`) + hash64(`of ${requestId}`)
}

/** The span of a request, or of one of its attempts: 16 hex digits, the same for the same. */
export function spanIdOf(requestId: string, attempt: number | null): string {
  return hash64(attempt === null ? requestId : `${requestId}#${attempt}`)
}

/** The client's span; null where it named none. */
export function parentSpanOf(span: string | null): { readonly id: string; readonly isSampled: boolean } | null {
  const [, id, flags] = SPAN.exec(span ?? '') ?? []
  return id === undefined || flags === undefined ? null : { id, isSampled: (parseInt(flags, 16) & IS_SAMPLED) !== 0 }
}

/** Whether a trace is one of `percent` in a hundred: the same answer for all of its requests. */
export function isDrawn(traceId: string, percent: number): boolean {
  return parseInt(traceId.slice(-13), 16) / 2 ** 52 < percent / 100
}

/** 64 evenly spread bits of text as hex, never all zero. Two lanes of multiplication, mixed by MurmurHash3's finaliser. */
function hash64(text: string): string {
  let high = 0xdeadbeef
  let low = 0x41c6ce57
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at)
    high = Math.imul(high ^ code, 0x9e3779b1)
    low = Math.imul(low ^ code, 0x5f356495)
  }
  const mixed = hex(finish(high)) + hex(finish(low))
  return mixed === '0'.repeat(16) ? `${'0'.repeat(15)}1` : mixed
}

function finish(bits: number): number {
  let hash = Math.imul(bits ^ (bits >>> 16), 0x85ebca6b)
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35)
  return (hash ^ (hash >>> 16)) >>> 0
}

function hex(bits: number): string {
  return bits.toString(16).padStart(8, '0')
}
