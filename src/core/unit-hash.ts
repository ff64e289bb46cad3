// A quick, even hash of text to [0, 1): to share out, never to keep a secret.

const FNV_OFFSET = 0x811c9dc5
const FNV_PRIME = 0x01000193
const UINT32 = 2 ** 32

/** The same number in [0, 1) for the same text, everywhere and always; evenly spread, also for texts that differ in one
 *  character. FNV-1a over UTF-16 units, mixed by MurmurHash3's finaliser. */
export function unitHash(text: string): number {
  let hash = FNV_OFFSET
  for (let at = 0; at < text.length; at++) hash = Math.imul(hash ^ text.charCodeAt(at), FNV_PRIME)
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b)
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35)
  return ((hash ^ (hash >>> 16)) >>> 0) / UINT32
}
