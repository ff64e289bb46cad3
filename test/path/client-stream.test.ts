// The client's side of a relay: order, bursts, one write at a time, what a reader that stalls or leaves does to it. Time is
// the test's own; the pipe is a real one without room, so that a write is under way until the reader takes it.
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { ClientStream } from '../../src/data-plane/answer/client-stream.ts'

/** Events within it are a burst … */
const BURST_MS = 2
/** … that waits this long. */
const GATHER_MS = 4
const GATHERED_BYTES_MAX = 65_536
const PING = ': ping\n\n'

beforeEach(() => {
  vi.useFakeTimers({ now: 1_000_000, toFake: ['setTimeout', 'clearTimeout', 'Date'] })
})
afterEach(() => {
  vi.useRealTimers()
})

/** Everything that can happen without time passing has happened. */
async function settled(): Promise<void> {
  for (let turn = 0; turn < 5; turn += 1) await new Promise((resolve) => setImmediate(resolve))
}

async function pass(ms: number): Promise<void> {
  await vi.advanceTimersByTimeAsync(ms)
  await settled()
}

/** A client's stream, and the client. */
interface Scene {
  readonly stream: ClientStream
  /** Pieces that the client has taken, in order. */
  readonly taken: string[]
  /** Takes pieces as they come from now on; resolves with 'closed' or the reason of the end. */
  read(): Promise<unknown>
  /** Takes one piece. */
  readOne(): Promise<string>
  /** Goes away. */
  leave(): Promise<void>
  /** Most writes that were under way at once, and how many there were. */
  readonly writes: { most: number; count: number }
}

function scene(): Scene {
  const pipe = new TransformStream<Uint8Array, Uint8Array>(undefined, { highWaterMark: 1 }, { highWaterMark: 0 })
  const writes = { most: 0, count: 0 }
  const stream = new ClientStream({ readable: pipe.readable, writable: watched(pipe.writable, writes) }, Date.now)
  const reader = stream.readable.getReader()
  const taken: string[] = []
  const readOne = async (): Promise<string> => {
    const { done, value } = await reader.read()
    const piece = new TextDecoder().decode(value)
    if (!done) taken.push(piece)
    return piece
  }
  return {
    stream,
    taken,
    writes,
    readOne,
    async read() {
      try {
        for (;;) {
          const { done, value } = await reader.read()
          if (done) return 'closed'
          taken.push(new TextDecoder().decode(value))
        }
      } catch (error) {
        return error
      }
    },
    leave: () => reader.cancel('gone'),
  }
}

/** Writes where more is welcome at once. */
function say(stream: ClientStream, piece: Uint8Array | string): void {
  expect(stream.write(piece)).toBeNull()
}

/** The same writable, with the writes that are under way counted. */
function watched(writable: WritableStream<Uint8Array>, writes: Scene['writes']): WritableStream<Uint8Array> {
  const getWriter = writable.getWriter.bind(writable)
  let underWay = 0
  writable.getWriter = () => {
    const writer = getWriter()
    const write = writer.write.bind(writer)
    writer.write = (bytes) => {
      underWay += 1
      writes.count += 1
      writes.most = Math.max(writes.most, underWay)
      return write(bytes).finally(() => (underWay -= 1))
    }
    return writer
  }
  return writable
}

describe('pieces', () => {
  test('that come at the pace of a model leave at once, each by itself', async () => {
    const { stream, taken, read } = scene()
    const end = read()
    for (let piece = 0; piece < 5; piece += 1) {
      expect(stream.write(`piece ${piece}`)).toBeNull()
      await settled()
      expect(taken.at(-1)).toBe(`piece ${piece}`)
      await pass(BURST_MS + 1)
    }
    await stream.close(null)
    expect(await end).toBe('closed')
    expect(taken).toHaveLength(5)
  })

  test('that come in a burst leave together, a moment after the first of them', async () => {
    const { stream, taken, read, writes } = scene()
    const end = read()
    say(stream, 'first ')
    await settled()
    for (const piece of ['second ', 'third ', 'fourth ']) {
      say(stream, piece)
      await settled()
    }
    expect(taken).toEqual(['first '])
    await pass(GATHER_MS - 1)
    expect(taken).toEqual(['first '])
    await pass(1)
    expect(taken).toEqual(['first ', 'second third fourth '])
    expect(writes.count).toBe(2)
    await stream.close(null)
    await end
  })

  test("of an endless burst don't wait for its end", async () => {
    const { stream, taken, read } = scene()
    const end = read()
    for (let ms = 0; ms < 40; ms += 1) {
      say(stream, 'x')
      await pass(1)
    }
    expect(taken.join('').length).toBeGreaterThan(40 - GATHER_MS - 1)
    expect(taken.length).toBeLessThanOrEqual(2 + 40 / GATHER_MS)
    await stream.close(null)
    await end
    expect(taken.join('')).toHaveLength(40)
  })

  test('keep their order, and are whole, whatever the reader does', async () => {
    const { stream, taken, readOne, read, writes } = scene()
    const sent: string[] = []
    for (let step = 0; step < 200; step += 1) {
      const piece = `«${step}»`
      sent.push(piece)
      say(stream, step % 3 === 0 ? new TextEncoder().encode(piece) : piece)
      if (step % 7 === 0) void readOne()
      if (step % 5 === 0) await pass(step % 4)
    }
    const end = read()
    await stream.close('last')
    expect(await end).toBe('closed')
    expect(taken.join('')).toBe(`${sent.join('')}last`)
    expect(writes.most).toBe(1)
  })

  test('are bytes as they came where one leaves alone', async () => {
    const pipe = new TransformStream<Uint8Array, Uint8Array>(undefined, { highWaterMark: 1 }, { highWaterMark: 0 })
    const stream = new ClientStream(pipe, Date.now)
    const bytes = new Uint8Array([0, 255, 128])
    say(stream, bytes)
    expect((await stream.readable.getReader().read()).value).toBe(bytes)
  })
})

describe('a reader that stalls', () => {
  test('has one write under way, and holds the provider up when enough is gathered', async () => {
    const { stream, writes, taken, read } = scene()
    const kilobyte = 'x'.repeat(1024)
    let accepted = 0
    let wait: Promise<void> | null = null
    while (wait === null) {
      wait = stream.write(kilobyte)
      accepted += 1
      expect(accepted).toBeLessThanOrEqual(1 + GATHERED_BYTES_MAX / 1024)
      await pass(BURST_MS + 1)
    }
    expect(accepted).toBe(1 + GATHERED_BYTES_MAX / 1024)
    expect(stream.isBlocked).toBe(true)
    expect(writes).toEqual({ most: 1, count: 1 })
    let isWelcome = false
    const welcome = wait.then(() => (isWelcome = true))
    await pass(60_000)
    expect(isWelcome).toBe(false)

    const end = read()
    await welcome
    expect(taken.join('')).toHaveLength(accepted * 1024)
    expect(writes).toEqual({ most: 1, count: 2 })
    expect(stream.isBlocked).toBe(false)
    expect(stream.write('more')).toBeNull()
    await stream.close(null)
    expect(await end).toBe('closed')
  })

  test('gets what was gathered meanwhile in one piece', async () => {
    const { stream, taken, readOne, read } = scene()
    say(stream, 'a')
    await pass(10)
    for (const piece of ['b', 'c', 'd']) {
      say(stream, piece)
      await pass(10)
    }
    expect(await readOne()).toBe('a')
    const end = read()
    await pass(GATHER_MS)
    expect(taken).toEqual(['a', 'bcd'])
    await stream.close(null)
    await end
  })

  test('is not pinged, and is when it reads again', async () => {
    const { stream, taken, readOne, read } = scene()
    say(stream, 'a')
    await pass(15_000)
    stream.ping()
    stream.ping()
    await readOne()
    await settled()
    expect(stream.isBlocked).toBe(false)
    stream.ping()
    const end = read()
    await settled()
    expect(taken).toEqual(['a', PING])
    await stream.close(null)
    await end
  })
})

describe('the beginning', () => {
  test('leaves at once and in one piece, and the next event after it too', async () => {
    const { stream, taken, read } = scene()
    const end = read()
    expect(stream.begin(['one ', new TextEncoder().encode('two '), 'three'])).toBeNull()
    await settled()
    expect(taken).toEqual(['one two three'])
    expect(stream.lastWriteMs).toBe(-1)
    say(stream, ' four')
    await settled()
    expect(taken).toEqual(['one two three', ' four'])
    expect(stream.lastWriteMs).toBe(Date.now())
    await stream.close(null)
    await end
  })

  test('waits for what is under way before it', async () => {
    const { stream, taken, read } = scene()
    stream.ping()
    const begun = stream.begin(['one', 'two'])
    expect(begun).not.toBeNull()
    const end = read()
    await begun
    expect(taken).toEqual([PING, 'onetwo'])
    await stream.close(null)
    await end
  })

  test('may be empty', async () => {
    const { stream, taken, read } = scene()
    expect(stream.begin([])).toBeNull()
    const end = read()
    await stream.close(null)
    expect(await end).toBe('closed')
    expect(taken).toEqual([])
  })
})

describe('the end', () => {
  test('sends what is still gathered without waiting, then the last word', async () => {
    const { stream, taken, read, writes } = scene()
    const end = read()
    say(stream, 'a')
    await settled()
    say(stream, 'b')
    say(stream, 'c')
    await stream.close('last')
    expect(await end).toBe('closed')
    expect(taken.join('')).toBe('abclast')
    expect(writes.most).toBe(1)
    expect(vi.getTimerCount()).toBe(0)
  })

  test('waits for a reader that stalls', async () => {
    const { stream, read, taken } = scene()
    say(stream, 'a')
    let isClosed = false
    const closing = stream.close('z').then(() => (isClosed = true))
    await pass(60_000)
    expect(isClosed).toBe(false)
    expect(await read()).toBe('closed')
    await closing
    expect(taken.join('')).toBe('az')
  })

  test('by giving up reaches the reader as an error, and leaves no timer behind', async () => {
    const { stream, read } = scene()
    const end = read()
    say(stream, 'a')
    await settled()
    say(stream, 'b')
    expect(vi.getTimerCount()).toBe(1)
    stream.abort('enough')
    expect(vi.getTimerCount()).toBe(0)
    expect(await end).toBe('enough')
    await pass(60_000)
    expect(vi.getTimerCount()).toBe(0)
  })

  test('rejects when the client is gone', async () => {
    const { stream, leave } = scene()
    say(stream, 'a')
    await leave()
    await expect(stream.close('last')).rejects.toBeDefined()
  })
})

describe('a client that leaves', () => {
  test('is noticed by the write under way, and by every one after it', async () => {
    const { stream, leave } = scene()
    say(stream, 'a')
    expect(stream.isGone).toBe(false)
    await leave()
    await settled()
    expect(stream.isGone).toBe(true)
    expect(stream.isBlocked).toBe(false)
    expect(() => stream.write('b')).toThrow()
    await expect(stream.close(null)).rejects.toBeDefined()
  })

  test('is noticed by the next write', async () => {
    const { stream, readOne, leave } = scene()
    say(stream, 'a')
    await readOne()
    await leave()
    expect(stream.isGone).toBe(false)
    await pass(BURST_MS + 1)
    say(stream, 'b')
    await settled()
    expect(stream.isGone).toBe(true)
  })

  test('is noticed by the next ping, which is no error', async () => {
    const { stream, readOne, leave } = scene()
    say(stream, 'a')
    await readOne()
    await leave()
    await pass(15_000)
    stream.ping()
    await settled()
    expect(stream.isGone).toBe(true)
    stream.ping()
    await settled()
  })

  test('ends the wait of a provider that is held up', async () => {
    const { stream, leave } = scene()
    say(stream, 'a')
    await pass(BURST_MS + 1)
    const wait = stream.write('x'.repeat(GATHERED_BYTES_MAX))
    expect(wait).not.toBeNull()
    const refused = expect(wait).rejects.toBeDefined()
    await leave()
    await refused
    expect(stream.isGone).toBe(true)
  })
})
