// An encoder of Amazon's event stream, written from the format's description and sharing nothing with what reads it.
// https://smithy.io/2.0/aws/amazon-eventstream.html
import { crc32 } from 'node:zlib'

/** A message as it is sent. */
export interface EventMessage {
  readonly headers: Readonly<Record<string, string>>
  readonly payload: string
}

/** An event of a service, as Bedrock sends it. */
export function eventMessage(event: string, payload: unknown): EventMessage {
  const headers = { ':event-type': event, ':content-type': 'application/json', ':message-type': 'event' }
  return { headers, payload: JSON.stringify(payload) }
}

/** An exception that a service knows by name. */
export function exceptionMessage(type: string, payload: unknown): EventMessage {
  const headers = { ':exception-type': type, ':content-type': 'application/json', ':message-type': 'exception' }
  return { headers, payload: JSON.stringify(payload) }
}

/** The bytes of a message. */
export function encodeMessage({ headers, payload }: EventMessage): Buffer {
  const encoded = Object.entries(headers).map(([name, value]) => textHeader(name, value))
  return encodeRaw(Buffer.concat(encoded), Buffer.from(payload))
}

/** The bytes of a message of any headers, checksums right. */
export function encodeRaw(headers: Buffer, payload: Buffer): Buffer {
  const lengths = uint32(12 + headers.length + payload.length + 4, headers.length)
  const unsigned = Buffer.concat([lengths, uint32(crc32(lengths)), headers, payload])
  return Buffer.concat([unsigned, uint32(crc32(unsigned))])
}

/** A header of type 7: text. */
export function textHeader(name: string, value: string): Buffer {
  const bytes = Buffer.from(value)
  return Buffer.concat([
    Buffer.from([Buffer.byteLength(name)]),
    Buffer.from(name),
    Buffer.from([7, bytes.length >> 8, bytes.length & 0xff]),
    bytes,
  ])
}

function uint32(...values: readonly number[]): Buffer {
  const buffer = Buffer.alloc(values.length * 4)
  values.forEach((value, index) => buffer.writeUInt32BE(value, index * 4))
  return buffer
}
