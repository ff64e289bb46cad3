// The client's side of a relay: takes whole events, hands them on in order, and closes exactly once. Handing a piece to
// the runtime costs twice as much as reading one, so events that come in a burst (each a moment after the one before)
// leave together a moment later; at the pace of a model every event leaves at once. At most one write is under way:
// while it is, events are gathered, and when enough are, the provider has to wait. So a client that doesn't read costs
// no memory.
const encoder = new TextEncoder()
const PING = ': ping\n\n'

/** An event this soon after the one before is part of a burst … */
const BURST_MS = 2
/** … and waits at most this long for its companions. */
const GATHER_MS = 4
/** Bytes gathered before the provider has to wait. */
const GATHERED_BYTES_MAX = 65_536

export interface ByteChannel {
  readonly readable: ReadableStream<Uint8Array>
  readonly writable: WritableStream<Uint8Array>
}

/** What a relay writes to. */
export type ClientSink = Pick<
  ClientStream,
  'isBlocked' | 'isGone' | 'lastWriteMs' | 'write' | 'begin' | 'ping' | 'close' | 'abort'
>

export class ClientStream {
  readonly readable: ReadableStream<Uint8Array>
  readonly #writer: WritableStreamDefaultWriter<Uint8Array>
  readonly #nowMs: () => number
  #gathered: Uint8Array[] = []
  #gatheredBytes = 0
  #timer: ReturnType<typeof setTimeout> | null = null
  #writing: Promise<void> | null = null
  #lastMs = -1
  #failure: unknown = null

  constructor(channel: ByteChannel, nowMs: () => number) {
    this.readable = channel.readable
    this.#writer = channel.writable.getWriter()
    this.#writer.closed.catch(() => {})
    this.#nowMs = nowMs
  }

  /** True while the client has not taken what was written. */
  get isBlocked(): boolean {
    return this.#writing !== null
  }

  /** True once a write was refused: the client is gone. */
  get isGone(): boolean {
    return this.#failure !== null
  }

  /** When something was last written; -1 for never. */
  get lastWriteMs(): number {
    return this.#lastMs
  }

  /** Sends `piece`, now or with its companions. Null when more is welcome at once, else a promise of when it is.
   *  Throws, or rejects, when the client is gone. */
  write(piece: Uint8Array | string): Promise<void> | null {
    if (this.#failure !== null) throw this.#failure
    const bytes = typeof piece === 'string' ? encoder.encode(piece) : piece
    const nowMs = this.#nowMs()
    const isBurst = nowMs - this.#lastMs <= BURST_MS
    this.#lastMs = nowMs
    this.#gather(bytes)
    if (this.#gatheredBytes >= GATHERED_BYTES_MAX) return this.#drain()
    if (this.#writing !== null || this.#timer !== null) return null
    if (isBurst) this.#timer = setTimeout(() => this.#flush(), GATHER_MS)
    else this.#flush()
    return null
  }

  /** Sends what was held back until the first content, at once and in one piece. */
  begin(pieces: readonly (Uint8Array | string)[]): Promise<void> | null {
    for (const piece of pieces) this.#gather(typeof piece === 'string' ? encoder.encode(piece) : piece)
    this.#flush()
    return this.#gatheredBytes > 0 ? this.#drain() : null
  }

  /** Sends a comment, which clients skip: the connection stays in use. Whether the client is gone shows elsewhere. */
  ping(): void {
    if (this.#failure === null && !this.isBlocked) this.write(PING)?.catch(() => {})
  }

  /** Sends `last`, if any, and ends the stream in order. Rejects when the client is gone. */
  async close(last: string | null): Promise<void> {
    if (last !== null && this.#failure === null) this.#gather(encoder.encode(last))
    await this.#drain()
    await this.#writer.close()
  }

  /** Gives the stream up. */
  abort(reason: unknown): void {
    this.#stopTimer()
    this.#writer.abort(reason).catch(() => {})
  }

  #gather(bytes: Uint8Array): void {
    this.#gathered.push(bytes)
    this.#gatheredBytes += bytes.byteLength
  }

  /** Resolves when everything written so far has been taken. */
  async #drain(): Promise<void> {
    while (this.#writing !== null || this.#gatheredBytes > 0) {
      this.#flush()
      if (this.#writing !== null) await this.#writing
      if (this.#failure !== null) throw this.#failure
    }
  }

  /** Begins to write what was gathered, unless a write is under way: its end takes care of the rest. */
  #flush(): void {
    this.#stopTimer()
    if (this.#writing !== null || this.#gatheredBytes === 0 || this.#failure !== null) return
    const bytes = joined(this.#gathered, this.#gatheredBytes)
    this.#gathered = []
    this.#gatheredBytes = 0
    this.#writing = this.#writer.write(bytes).then(
      () => this.#written(),
      (error: unknown) => {
        this.#writing = null
        this.#failure = error ?? new Error('the client is gone')
      },
    )
  }

  #written(): void {
    this.#writing = null
    if (this.#gatheredBytes > 0 && this.#timer === null) this.#timer = setTimeout(() => this.#flush(), GATHER_MS)
  }

  #stopTimer(): void {
    if (this.#timer !== null) clearTimeout(this.#timer)
    this.#timer = null
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
