// Which block of a message's stream is open, for whoever has to go on with it.
import { parseJson } from '../../core/json.ts'
import type { StreamPlace } from '../../core/reply/told.ts'
import { countOf, objectOf, stringOf } from '../../wire/read.ts'
import type { PlaceReader } from '../dialect.ts'

/** Follows one stream. */
export function createBlockPlaces(): PlaceReader {
  let index = 0
  let open: string | null = null
  return {
    take({ data }) {
      // Deltas are nearly all of a stream, and change nothing.
      if (!BOUNDS.test(data)) return
      const message = objectOf(parseJson(data))
      if (message['type'] === 'content_block_start') {
        index = countOf(message['index'])
        open = stringOf(objectOf(message['content_block'])['type']) ?? ''
      } else if (message['type'] === 'content_block_stop') {
        index = countOf(message['index']) + 1
        open = null
      }
    },
    get place(): StreamPlace {
      return { kind: 'blocks', index, open }
    },
  }
}

const BOUNDS = /content_block_st(?:art|op)/
