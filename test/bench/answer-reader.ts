// Reads HTTP/1.1 answers off a socket: bodies by content-length and in chunks, which is all that the bench's servers
// send. By hand, because Node's client costs more than what is measured.
const HEAD_END = Buffer.from('\r\n\r\n')
const LINE_END = Buffer.from('\r\n')
const NOTHING = Buffer.alloc(0)

export interface Answer {
  readonly status: number
  readonly body: Buffer
}

/** One answer at a time: `push` what arrives until it gives the answer. Throws on what isn't HTTP. */
export class AnswerReader {
  /** Receives each piece of the body as it arrives. */
  readonly #onBody: (piece: Buffer) => void
  #unread: Buffer = NOTHING
  #status = 0
  #isInBody = false
  #isChunked = false
  /** Bytes of the body, or of the present chunk, still to come. */
  #left = 0
  #pieces: Buffer[] = []

  constructor(onBody: (piece: Buffer) => void) {
    this.#onBody = onBody
  }

  push(bytes: Buffer): Answer | null {
    this.#unread = this.#unread.length === 0 ? bytes : Buffer.concat([this.#unread, bytes])
    if (!this.#isInBody && !this.#readHead()) return null
    const isWhole = this.#isChunked ? this.#readChunks() : this.#take()
    if (!isWhole) return null
    if (this.#unread.length > 0) throw new Error('more came than the answer')
    const [only] = this.#pieces
    const body = this.#pieces.length === 1 && only !== undefined ? only : Buffer.concat(this.#pieces)
    this.#pieces = []
    this.#isInBody = false
    return { status: this.#status, body }
  }

  #readHead(): boolean {
    const end = this.#unread.indexOf(HEAD_END)
    if (end < 0) return false
    const head = this.#unread.toString('latin1', 0, end)
    this.#unread = this.#unread.subarray(end + HEAD_END.length)
    this.#status = Number(head.slice(9, 12))
    const length = /\r\ncontent-length: *(\d+)/i.exec(head)?.[1]
    this.#isChunked = length === undefined && /\r\ntransfer-encoding: *chunked/i.test(head)
    if (length === undefined && !this.#isChunked) throw new Error(`an answer without a length: ${head.slice(0, 200)}`)
    this.#left = Number(length ?? 0)
    this.#isInBody = true
    return true
  }

  /** Takes what is there of the present body or chunk; true when nothing of it is left. */
  #take(): boolean {
    const piece = this.#unread.subarray(0, this.#left)
    if (piece.length > 0) {
      this.#pieces.push(piece)
      this.#unread = this.#unread.subarray(piece.length)
      this.#left -= piece.length
      this.#onBody(piece)
    }
    return this.#left === 0
  }

  #readChunks(): boolean {
    for (;;) {
      if (!this.#take()) return false
      const from = this.#unread.indexOf(LINE_END) === 0 ? LINE_END.length : 0
      const end = this.#unread.indexOf(LINE_END, from)
      if (end < 0) return false
      const size = Number.parseInt(this.#unread.toString('latin1', from, end), 16)
      if (Number.isNaN(size)) throw new Error('a chunk without a size')
      if (size === 0) {
        const last = end + 2 * LINE_END.length
        if (this.#unread.length < last) return false
        this.#unread = this.#unread.subarray(last)
        return true
      }
      this.#unread = this.#unread.subarray(end + LINE_END.length)
      this.#left = size
    }
  }
}
