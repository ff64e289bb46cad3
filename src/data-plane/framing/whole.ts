// A stream that is one message: of a backend that answers in one piece although a stream was asked for.
import type { Frame } from '../../dialects/dialect.ts'

/** Most characters of such an answer. */
const ANSWER_CHARS_MAX = 16 * 1024 * 1024

const OVERFLOW: Frame = {
  event: 'error',
  data: JSON.stringify({ error: { message: "The provider's reply is too large.", code: 'reply_too_large' } }),
}

/** A framer for one answer, to be fed decoded text. Its one message comes at the end. */
export function createWholeFramer(): { push(text: string): readonly Frame[]; end(): readonly Frame[] } {
  let pieces: string[] | null = []
  let chars = 0
  return {
    push(text) {
      if (pieces === null) return []
      pieces.push(text)
      chars += text.length
      if (chars <= ANSWER_CHARS_MAX) return []
      pieces = null
      return [OVERFLOW]
    },
    end() {
      const data = pieces?.join('').trim() ?? ''
      return data === '' ? [] : [{ event: '', data }]
    },
  }
}
