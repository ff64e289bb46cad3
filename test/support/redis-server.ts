// A real Redis for one test file: a server of its own on a free port of the loopback that keeps nothing on disk, and one
// connection to it in Redis' own protocol (RESP 2).
import { type ChildProcess, spawn } from 'node:child_process'
import { accessSync, constants } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer, connect, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import path from 'node:path'

/** What Redis answers. A status (`OK`) is apart from a text, as it is in the protocol. */
export type RedisValue =
  null | number | { readonly status: string } | { readonly text: Buffer } | { readonly list: readonly RedisValue[] }

/** Redis' own complaint about a command. */
export class RedisError extends Error {
  override readonly name = 'RedisError'
}

export interface RedisServer {
  /** Runs one command. Rejects with a RedisError when Redis refuses it, otherwise when there is no connection. */
  command(...words: readonly string[]): Promise<RedisValue>
  /** Stops the server; a second time is no harm. */
  stop(): Promise<void>
}

/** Where `redis-server` is; null on a machine that has none. */
export const redisServerPath: string | null =
  (process.env['PATH'] ?? '')
    .split(path.delimiter)
    .map((folder) => path.join(folder, 'redis-server'))
    .find(isExecutable) ?? null

/** For the name of what can only run with Redis: says why it is skipped, and what to do about it. */
export function withRedis(name: string): string {
  if (redisServerPath !== null) return name
  return `${name} (skipped: no redis-server on the PATH; Debian: apt-get install redis-server, macOS: brew install redis)`
}

const START_MS_MAX = 10_000

/** Starts a server. Rejects where there is none to start. */
export async function startRedisServer(): Promise<RedisServer> {
  if (redisServerPath === null) throw new Error('there is no redis-server on the PATH')
  const folder = await mkdtemp(path.join(tmpdir(), 'tidegate-redis-'))
  const port = await freePort()
  const settings = ['--port', String(port), '--bind', '127.0.0.1', '--save', '', '--appendonly', 'no', '--dir', folder]
  const child = spawn(redisServerPath, settings, { stdio: 'ignore' })
  const kill = (): void => void child.kill('SIGKILL')
  process.once('exit', kill)
  const stop = async (): Promise<void> => {
    process.off('exit', kill)
    await ended(child)
    await rm(folder, { recursive: true, force: true })
  }
  try {
    const socket = await reached(port, child)
    const connection = new Connection(socket)
    return {
      command: (...words) => connection.command(words),
      async stop() {
        socket.destroy()
        await stop()
      },
    }
  } catch (error) {
    await stop()
    throw error
  }
}

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK)
    return true
  } catch {
    return false
  }
}

async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  await new Promise((resolve) => server.close(resolve))
  if (address === null || typeof address === 'string') throw new Error('there is no free port')
  return address.port
}

/** A connection, as soon as the server takes one. */
async function reached(port: number, child: ChildProcess): Promise<Socket> {
  const deadlineMs = Date.now() + START_MS_MAX
  for (;;) {
    const socket = connect(port, '127.0.0.1')
    const isOpen = await new Promise<boolean>((resolve) => {
      socket.once('connect', () => resolve(true)).once('error', () => resolve(false))
    })
    if (isOpen) return socket
    if (child.exitCode !== null || Date.now() > deadlineMs) throw new Error('redis-server did not start')
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}

async function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const exit = new Promise((resolve) => child.once('exit', resolve))
  child.kill('SIGKILL')
  await exit
}

interface Waiting {
  resolve(value: RedisValue): void
  reject(error: Error): void
}

class Connection {
  readonly #socket: Socket
  #received: Buffer = Buffer.alloc(0)
  #waiting: Waiting[] = []

  constructor(socket: Socket) {
    this.#socket = socket
    socket.on('data', (bytes) => this.#take(bytes))
    socket.on('error', () => {})
    socket.on('close', () => {
      for (const { reject } of this.#waiting.splice(0)) reject(new Error('Redis is gone'))
    })
  }

  command(words: readonly string[]): Promise<RedisValue> {
    if (this.#socket.destroyed) return Promise.reject(new Error('Redis is gone'))
    const { promise, resolve, reject } = Promise.withResolvers<RedisValue>()
    this.#waiting.push({ resolve, reject })
    const parts = words.map((word) => `$${Buffer.byteLength(word)}\r\n${word}\r\n`)
    this.#socket.write(`*${words.length}\r\n${parts.join('')}`)
    return promise
  }

  #take(bytes: Buffer): void {
    this.#received = Buffer.concat([this.#received, bytes])
    for (let read = readValue(this.#received, 0); read !== null; read = readValue(this.#received, 0)) {
      this.#received = this.#received.subarray(read.end)
      const waiting = this.#waiting.shift()
      if (read.value instanceof RedisError) waiting?.reject(read.value)
      else waiting?.resolve(read.value)
    }
  }
}

interface Read {
  readonly value: RedisValue | RedisError
  readonly end: number
}

/** The value that begins at `start`; null while it isn't whole. */
function readValue(bytes: Buffer, start: number): Read | null {
  const lineEnd = bytes.indexOf('\r\n', start)
  if (lineEnd === -1) return null
  const line = bytes.toString('utf8', start + 1, lineEnd)
  const next = lineEnd + 2
  switch (bytes.toString('latin1', start, start + 1)) {
    case '+':
      return { value: { status: line }, end: next }
    case '-':
      return { value: new RedisError(line), end: next }
    case ':':
      return { value: Number(line), end: next }
    case '$':
      return readText(bytes, next, Number(line))
    case '*':
      return readList(bytes, next, Number(line))
    default:
      throw new Error(`not an answer of Redis: ${line}`)
  }
}

function readText(bytes: Buffer, start: number, length: number): Read | null {
  if (length === -1) return { value: null, end: start }
  const end = start + length
  return bytes.length < end + 2 ? null : { value: { text: bytes.subarray(start, end) }, end: end + 2 }
}

function readList(bytes: Buffer, start: number, length: number): Read | null {
  if (length === -1) return { value: null, end: start }
  const values: RedisValue[] = []
  let at = start
  while (values.length < length) {
    const read = readValue(bytes, at)
    if (read === null) return null
    if (read.value instanceof RedisError) return { value: read.value, end: read.end }
    values.push(read.value)
    at = read.end
  }
  return { value: { list: values }, end: at }
}
