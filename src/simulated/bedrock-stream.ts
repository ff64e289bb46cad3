// Writes Amazon's binary event stream: a prelude of lengths, headers, a payload, checksums of both. A message is a string
// of one character a byte, so that it goes through the same hands as text.
// https://smithy.io/2.0/aws/amazon-eventstream.html
import type { JsonObject } from '../core/json.ts'

const CRC_STEPS = Uint32Array.from({ length: 256 }, (_, byte) => {
  let crc = byte
  for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? 0xedb88320 : 0)
  return crc
})
const TEXT_TYPE = 7

/** An event of the service. */
export function eventMessage(event: string, payload: JsonObject): string {
  return message({ ':event-type': event, ':content-type': 'application/json', ':message-type': 'event' }, payload)
}

/** An exception that ends the stream. */
export function exceptionMessage(type: string, payload: JsonObject): string {
  const headers = { ':exception-type': type, ':content-type': 'application/json', ':message-type': 'exception' }
  return message(headers, payload)
}

/** A message whose last checksum is wrong. */
export function damagedMessage(): string {
  const sound = eventMessage('contentBlockDelta', { contentBlockIndex: 0, delta: { text: 'garbled' } })
  const last = sound.charCodeAt(sound.length - 1)
  return sound.slice(0, -1) + String.fromCharCode(last ^ 0xff)
}

/** The bytes of a string of one character a byte. */
export function binaryBytes(text: string): Uint8Array {
  return Uint8Array.from(text, (char) => char.charCodeAt(0))
}

function message(headers: Readonly<Record<string, string>>, payload: JsonObject): string {
  const head = Object.entries(headers).map(textHeader).join('')
  const body = utf8(JSON.stringify(payload))
  const lengths = uint32(12 + head.length + body.length + 4) + uint32(head.length)
  const unsigned = lengths + checksum(lengths) + head + body
  return unsigned + checksum(unsigned)
}

function textHeader([name, value]: readonly [string, string]): string {
  const length = String.fromCharCode(value.length >> 8, value.length & 0xff)
  return String.fromCharCode(name.length) + name + String.fromCharCode(TEXT_TYPE) + length + value
}

function utf8(text: string): string {
  return Array.from(new TextEncoder().encode(text), (byte) => String.fromCharCode(byte)).join('')
}

function uint32(value: number): string {
  return String.fromCharCode((value >>> 24) & 0xff, (value >>> 16) & 0xff, (value >>> 8) & 0xff, value & 0xff)
}

function checksum(text: string): string {
  let crc = 0xffffffff
  for (let at = 0; at < text.length; at++) crc = (crc >>> 8) ^ (CRC_STEPS[(crc ^ text.charCodeAt(at)) & 0xff] ?? 0)
  return uint32(~crc)
}
