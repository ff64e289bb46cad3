// Cuts Amazon's binary event stream into messages (application/vnd.amazon.eventstream): a prelude of two lengths and
// their checksum, headers, a payload, and a checksum of it all. Nothing is believed before its checksum was right.
// https://smithy.io/2.0/aws/amazon-eventstream.html
import { isJsonObject, parseJson } from '../../core/json.ts'
import type { Frame } from '../../dialects/dialect.ts'
import { crc32 } from './crc32.ts'
import type { Framer } from './index.ts'

/** Most bytes that one message may take: the format's own limit is far above what a model sends at once. */
export const MESSAGE_BYTES_MAX = 4 * 1024 * 1024

const PRELUDE_BYTES = 12
/** Prelude and the checksum at the end. */
const OVERHEAD_BYTES = 16

/**
 * A framer for one stream. A message's event is its `:event-type`; an exception's is `exception:` and its type; an error
 * of the transport, and whatever can't be read, is `error`, after which nothing is read. A model's own events, which
 * `invoke-with-response-stream` wraps in base64, come unwrapped and without a name. What is left of a message at the
 * stream's end is dropped: half a message says nothing.
 */
export function createEventStreamFramer(): Framer {
  return new EventStreamFramer()
}

class EventStreamFramer implements Framer {
  /** Bytes of the unfinished message; only the first `held` count. */
  private buffer = new Uint8Array(0)
  private held = 0
  private isBroken = false

  push(chunk: Uint8Array): readonly Frame[] {
    if (this.isBroken || chunk.length === 0) return []
    const frames: Frame[] = []
    let from = 0
    const bytes = this.held === 0 ? chunk : this.append(chunk)
    while (!this.isBroken) {
      const length = this.messageLength(bytes, from, frames)
      if (length === null || bytes.length - from < length) break
      this.read(bytes.subarray(from, from + length), frames)
      from += length
    }
    this.hold(bytes, this.isBroken ? bytes.length : from)
    return frames
  }

  end(): readonly Frame[] {
    return []
  }

  /** Adds to what is held; room grows by doubling, so that a byte at a time costs no more than a few copies. */
  private append(chunk: Uint8Array): Uint8Array {
    const needed = this.held + chunk.length
    if (needed > this.buffer.length) {
      const grown = new Uint8Array(Math.max(needed, this.buffer.length * 2))
      grown.set(this.buffer.subarray(0, this.held))
      this.buffer = grown
    }
    this.buffer.set(chunk, this.held)
    this.held = needed
    return this.buffer.subarray(0, needed)
  }

  private hold(bytes: Uint8Array, from: number): void {
    if (this.held > 0 && from === 0) return
    const rest = bytes.subarray(from)
    if (this.held > 0) this.buffer.copyWithin(0, from, bytes.length)
    else if (rest.length > 0) this.buffer = rest.slice()
    this.held = rest.length
  }

  /** Bytes of the message that begins at `from`; null while its prelude isn't there, or when it is wrong. */
  private messageLength(bytes: Uint8Array, from: number, frames: Frame[]): number | null {
    if (bytes.length - from < PRELUDE_BYTES) return null
    const prelude = view(bytes.subarray(from, from + PRELUDE_BYTES))
    if (crc32(bytes.subarray(from, from + 8)) !== prelude.getUint32(8)) {
      return this.fail(frames, 'A message of the stream has a wrong checksum.')
    }
    const length = prelude.getUint32(0)
    if (length > MESSAGE_BYTES_MAX) return this.fail(frames, 'A message of the stream is too long to be read.')
    if (length < OVERHEAD_BYTES || prelude.getUint32(4) > length - OVERHEAD_BYTES) {
      return this.fail(frames, 'A message of the stream has impossible lengths.')
    }
    return length
  }

  private read(message: Uint8Array, frames: Frame[]): void {
    const end = message.length - 4
    const lengths = view(message)
    if (crc32(message.subarray(0, end)) !== lengths.getUint32(end)) {
      this.fail(frames, 'A message of the stream has a wrong checksum.')
      return
    }
    const payloadAt = PRELUDE_BYTES + lengths.getUint32(4)
    const headers = readHeaders(message.subarray(PRELUDE_BYTES, payloadAt))
    if (headers === null) this.fail(frames, 'A message of the stream has headers that cannot be read.')
    else frames.push(frameOf(headers, decoder.decode(message.subarray(payloadAt, end))))
  }

  private fail(frames: Frame[], message: string): null {
    this.isBroken = true
    frames.push(errorFrame(message, UNREADABLE_CODE))
    return null
  }
}

const UNREADABLE_CODE = 'unreadable_stream'

/** Keeps a byte order mark, as text in a payload may. */
const decoder = new TextDecoder('utf-8', { fatal: false, ignoreBOM: true })

function view(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}

function errorFrame(message: string, code: string): Frame {
  return { event: 'error', data: JSON.stringify({ error: { message, code } }) }
}

function frameOf(headers: ReadonlyMap<string, string>, payload: string): Frame {
  const type = headers.get(':message-type')
  if (type === 'exception') return { event: `exception:${headers.get(':exception-type') ?? ''}`, data: payload }
  if (type === 'error') {
    return errorFrame(headers.get(':error-message') ?? 'The stream broke.', headers.get(':error-code') ?? '')
  }
  const event = headers.get(':event-type') ?? ''
  return event === 'chunk' ? unwrapped(payload) : { event, data: payload }
}

/** `{"bytes": "…"}`: base64 of what the model itself would have sent. */
function unwrapped(payload: string): Frame {
  const body = parseJson(payload)
  const wrapped = isJsonObject(body) ? body['bytes'] : undefined
  if (typeof wrapped !== 'string') return { event: 'chunk', data: payload }
  try {
    return { event: '', data: decoder.decode(Uint8Array.from(atob(wrapped), (char) => char.charCodeAt(0))) }
  } catch {
    return errorFrame('An event of the stream is not base64.', UNREADABLE_CODE)
  }
}

/** Byte lengths of values by type; types 6 and 7 (bytes and text) carry their own length. */
const FIXED_VALUE_BYTES: Readonly<Record<number, number>> = { 0: 0, 1: 0, 2: 1, 3: 2, 4: 4, 5: 8, 8: 8, 9: 16 }
const BYTES_TYPE = 6
const TEXT_TYPE = 7

/** The headers that are text; null when they don't fill their place exactly. */
function readHeaders(bytes: Uint8Array): ReadonlyMap<string, string> | null {
  const headers = new Map<string, string>()
  for (let at = 0; at < bytes.length;) {
    const nameEnd = at + 1 + (bytes[at] ?? 0)
    const type = bytes[nameEnd]
    if (type === undefined) return null
    const fixed = FIXED_VALUE_BYTES[type]
    if (fixed === undefined && type !== BYTES_TYPE && type !== TEXT_TYPE) return null
    const valueAt = nameEnd + (fixed === undefined ? 3 : 1)
    const end = valueAt + (fixed ?? ((bytes[nameEnd + 1] ?? 0) << 8) + (bytes[nameEnd + 2] ?? 0))
    if (end > bytes.length) return null
    if (type === TEXT_TYPE) {
      headers.set(decoder.decode(bytes.subarray(at + 1, nameEnd)), decoder.decode(bytes.subarray(valueAt, end)))
    }
    at = end
  }
  return headers
}
