// Signatures on wires that have one opaque string for them and no place for who made it: a foreign one is sealed with its
// maker's name, so that it can be told apart when it comes back and goes to nobody who can't read it.
import type { Signature } from '../neutral.ts'

const SEAL = 'tg1.'

/** How a signature is written on the wire of `ownMaker`: as it is if it was made there (or nobody knows where), else as
 *  `tg1.<maker>.<value>`, with the item's id behind the maker where there is one. */
export function sealSignature(signature: Signature, ownMaker: string | null): string {
  const { maker, value, itemId } = signature
  if (maker === null || maker === ownMaker) return value
  const item = itemId === undefined ? '' : `:${encodeURIComponent(itemId).replaceAll('.', '%2E')}`
  return `${SEAL}${maker}${item}.${value}`
}

/** The signature that `sealSignature` wrote; what isn't sealed is of `ownMaker`. */
export function openSignature(text: string, ownMaker: string | null): Signature {
  const end = text.startsWith(SEAL) ? text.indexOf('.', SEAL.length) : -1
  if (end === -1) return { maker: ownMaker, value: text }
  const [maker = '', item] = text.slice(SEAL.length, end).split(':')
  const value = text.slice(end + 1)
  const itemId = item === undefined ? null : decoded(item)
  return itemId === null ? { maker, value } : { maker, value, itemId }
}

function decoded(text: string): string | null {
  try {
    return decodeURIComponent(text)
  } catch {
    return null
  }
}
