// CRC-32 as gzip has it (polynomial 0xEDB88320, reflected). https://www.rfc-editor.org/rfc/rfc1952#section-8

/** Made at its first use: most isolates never need it. */
let table: Uint32Array | null = null

/** The checksum of `bytes`, as an unsigned 32-bit integer. */
export function crc32(bytes: Uint8Array): number {
  const steps = (table ??= makeTable())
  let crc = 0xffffffff
  for (const byte of bytes) crc = (crc >>> 8) ^ (steps[(crc ^ byte) & 0xff] ?? 0)
  return (crc ^ 0xffffffff) >>> 0
}

function makeTable(): Uint32Array {
  return Uint32Array.from({ length: 256 }, (_, n) => {
    let value = n
    for (let bit = 0; bit < 8; bit += 1) value = value & 1 ? 0xedb88320 ^ (value >>> 1) : value >>> 1
    return value >>> 0
  })
}
