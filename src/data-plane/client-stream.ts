// The client's side of a relay: takes whole events, hands them on in order, and closes exactly once. Entering a stream
// costs more than anything else done with a chunk, so events that arrive in a burst (each within a millisecond or two of
// the one before) leave together a moment later; at the pace of a model every event leaves at once.
const encoder = new TextEncoder()
const PING = ': ping\n\n'

/** Events closer than this to the one before are gathered … */
const BURST_MS = 1
/** … for so long … */
const GATHER_MS = 1
/** … and so many bytes at most. */
const GATHER_BYTES_MAX = 16_384

export interface ByteChannel {
  readonly readable: ReadableStream<Uint8Array>
  readonly writable: WritableStream<Uint8Array>
}

export class ClientStream {
  readonly readable: ReadableStream<Uint8Array>
  readonly #writer: WritableStreamDefaultWriter<Uint8Array>
  readonly #nowMs: () => number
  #gathered: Uint8Array[] = []
  #gatheredBytes = 0
  #timer: ReturnType<typeof setTimeout> | null = null
  #flushing: Promise<void> | null = null
  #lastMs = -1
  #writes = 0
  #failure: unknown = null

  constructor(channel: ByteChannel, nowMs: () => number) {
    this.readable = channel.readable
    this.#writer = channel.writable.getWriter()
    this.#writer.closed.catch(() => {})
    this.#nowMs = nowMs
  }

  /** True while the client is slow to take what was written. */
  get isBlocked(): boolean {
    return this.#writes > 0
  }

  /** When something was last written; -1 for never. */
  get lastWriteMs(): number {
    return this.#lastMs
  }

  /** Sends `piece`, now or with its companions. Resolves when more is welcome; rejects when the client is gone. */
  write(piece: Uint8Array | string): Promise<void> | null {
    if (this.#failure !== null) return Promise.reject(this.#failure)
    const bytes = typeof piece === 'string' ? encoder.encode(piece) : piece
    const nowMs = this.#nowMs()
    const isBurst = nowMs - this.#lastMs <= BURST_MS
    this.#lastMs = nowMs
    if (!isBurst && this.#gatheredBytes === 0) return this.#send(bytes)
    this.#gathered.push(bytes)
    this.#gatheredBytes += bytes.byteLength
    if (this.#gatheredBytes >= GATHER_BYTES_MAX) return this.flush()
    this.#timer ??= setTimeout(() => {
      this.#timer = null
      this.flush().catch(() => {})
    }, GATHER_MS)
    return null
  }

  /** Sends a comment, which clients skip: the connection stays in use. Whether the client is gone shows elsewhere. */
  ping(): void {
    this.write(PING)?.catch(() => {})
  }

  /** Sends what was gathered. */
  flush(): Promise<void> {
    if (this.#timer !== null) clearTimeout(this.#timer)
    this.#timer = null
    if (this.#gatheredBytes === 0) return this.#flushing ?? Promise.resolve()
    const bytes = joined(this.#gathered, this.#gatheredBytes)
    this.#gathered = []
    this.#gatheredBytes = 0
    this.#flushing = this.#send(bytes)
    return this.#flushing
  }

  /** Sends `last`, if any, and ends the stream in order. */
  async close(last: string | null): Promise<void> {
    await this.flush()
    if (last !== null) await this.#send(encoder.encode(last))
    await this.#writer.close()
  }

  /** Gives the stream up. */
  abort(reason: unknown): void {
    if (this.#timer !== null) clearTimeout(this.#timer)
    this.#timer = null
    this.#writer.abort(reason).catch(() => {})
  }

  async #send(bytes: Uint8Array): Promise<void> {
    this.#writes += 1
    try {
      await this.#writer.write(bytes)
    } catch (error) {
      this.#failure = error ?? new Error('the client is gone')
      throw this.#failure
    } finally {
      this.#writes -= 1
    }
  }
}

function joined(pieces: readonly Uint8Array[], bytes: number): Uint8Array {
  const [only] = pieces
  if (pieces.length === 1 && only !== undefined) return only
  const all = new Uint8Array(bytes)
  let at = 0
  for (const piece of pieces) {
    all.set(piece, at)
    at += piece.byteLength
  }
  return all
}
