// Reads IP addresses in every spelling that a URL parser or a resolver accepts (decimal, octal, hexadecimal, shortened),
// so that no spelling of a private address passes for a name. Pure.

/**
 * An IPv4 address as an unsigned 32-bit integer, by the rules of the WHATWG URL standard: one to four parts, each
 * decimal, octal (leading 0) or hexadecimal (leading 0x), the last filling what remains. Null when the host is a name;
 * `invalid` when it ends in a number and yet is no address, which no resolver should be asked about.
 */
export function parseIpv4(host: string): number | null | 'invalid' {
  const parts = host.split('.')
  if (!endsInNumber(parts)) return null
  if (parts.length > 4) return 'invalid'
  const numbers = parts.map(parseIpv4Part)
  let address = 0
  for (const [at, number] of numbers.entries()) {
    const isLast = at === numbers.length - 1
    const limit = isLast ? 256 ** (5 - numbers.length) : 256
    if (number === null || number >= limit) return 'invalid'
    address += isLast ? number : number * 256 ** (3 - at)
  }
  return address
}

function endsInNumber(parts: readonly string[]): boolean {
  const last = parts.at(-1) ?? ''
  return /^[0-9]+$/.test(last) || /^0x[0-9a-f]*$/i.test(last)
}

function parseIpv4Part(part: string): number | null {
  if (/^0x[0-9a-f]*$/i.test(part)) return part.length === 2 ? 0 : Number.parseInt(part.slice(2), 16)
  if (/^0[0-7]+$/.test(part)) return Number.parseInt(part, 8)
  return /^(0|[1-9][0-9]*)$/.test(part) ? Number(part) : null
}

/** An IPv6 address (without brackets or zone) as eight 16-bit groups; null when it isn't one. */
export function parseIpv6(text: string): readonly number[] | null {
  const halves = text.split('::')
  if (halves.length > 2) return null
  const head = parseGroups(halves[0] ?? '', halves.length === 1)
  const tail = halves.length === 2 ? parseGroups(halves[1] ?? '', true) : []
  if (head === null || tail === null) return null
  const missing = 8 - head.length - tail.length
  if (halves.length === 1) return missing === 0 ? head : null
  return missing < 1 ? null : [...head, ...Array.from({ length: missing }, () => 0), ...tail]
}

/** `mayEndInIpv4`: these are the last groups, which may be written as an IPv4 address. */
function parseGroups(text: string, mayEndInIpv4: boolean): number[] | null {
  if (text === '') return []
  const groups: number[] = []
  const parts = text.split(':')
  for (const [at, part] of parts.entries()) {
    const embedded = mayEndInIpv4 && part.includes('.') && at === parts.length - 1 ? parseDotted(part) : null
    if (embedded !== null) groups.push(Math.floor(embedded / 0x10000), embedded % 0x10000)
    else if (/^[0-9a-f]{1,4}$/i.test(part)) groups.push(Number.parseInt(part, 16))
    else return null
  }
  return groups
}

function parseDotted(text: string): number | null {
  const address = /^[0-9]+(\.[0-9]+){3}$/.test(text) ? parseIpv4(text) : null
  return typeof address === 'number' ? address : null
}
