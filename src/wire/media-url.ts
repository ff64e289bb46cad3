// Pictures, sounds and files as wires with addresses have them: an address, or the bytes in a `data:` URL.
import type { MediaSource } from '../core/neutral.ts'

/** Where the thing is. Null for a `data:` URL that is not base64. */
export function mediaOfUrl(url: string): MediaSource | null {
  if (!/^data:/i.test(url)) return { kind: 'url', url }
  const comma = url.indexOf(',')
  if (comma === -1) return null
  const [mediaType = '', ...parameters] = url.slice('data:'.length, comma).split(';')
  const isBase64 = parameters.some((parameter) => parameter.trim().toLowerCase() === 'base64')
  return isBase64 ? { kind: 'base64', mediaType, data: url.slice(comma + 1) } : null
}

/** The address of what `mediaOfUrl` has read; null for a file that a provider keeps. */
export function urlOfMedia(source: MediaSource): string | null {
  if (source.kind === 'file') return null
  return source.kind === 'url' ? source.url : `data:${source.mediaType};base64,${source.data}`
}
