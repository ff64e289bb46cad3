// The mock provider, a process of its own on raw TCP, so that it isn't what is measured (tens of thousands of answers a
// second). The model's name says what it does: `…-c100` 100 pieces of content, `…-d20` 20 ms apart (0: one each turn of
// the event loop). The path says which wire.
import net from 'node:net'
import { endWithParent, tellParent } from './job.ts'
import { ANTHROPIC, OPENAI, type MockWire } from './mock-wires.ts'

const HEAD_END = Buffer.from('\r\n\r\n')
const STREAM_HEAD =
  'HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\ncache-control: no-cache\r\n' +
  'x-request-id: req_mock\r\ntransfer-encoding: chunked\r\n\r\n'
const LAST_CHUNK = '0\r\n\r\n'

function wholeAnswer(wire: MockWire): Buffer {
  const head = 'HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nx-request-id: req_mock\r\n'
  return Buffer.from(`${head}content-length: ${Buffer.byteLength(wire.whole)}\r\n\r\n${wire.whole}`)
}

const WHOLE = new Map([OPENAI, ANTHROPIC].map((wire) => [wire, wholeAnswer(wire)]))
const NOT_FOUND = Buffer.from('HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n')

function chunk(text: string): string {
  return `${Buffer.byteLength(text).toString(16)}\r\n${text}\r\n`
}

function streamTo(socket: net.Socket, wire: MockWire, model: string): void {
  const pieces = Number(/-c(\d+)/.exec(model)?.[1] ?? 100)
  const delayMs = Number(/-d(\d+)/.exec(model)?.[1] ?? 0)
  let sent = 0
  const next = (): void => {
    if (socket.destroyed) return
    if (sent === pieces) return void socket.write(chunk(wire.ending) + LAST_CHUNK)
    socket.write(chunk(wire.content(sent)))
    sent += 1
    if (delayMs > 0) setTimeout(next, delayMs)
    else setImmediate(next)
  }
  socket.write(STREAM_HEAD + chunk(wire.opening))
  next()
}

function answer(socket: net.Socket, head: string, body: Buffer): void {
  const path = head.slice(head.indexOf(' ') + 1, head.indexOf(' HTTP/'))
  const wire = path.endsWith('/chat/completions') ? OPENAI : path.endsWith('/messages') ? ANTHROPIC : null
  if (wire === null) return void socket.write(NOT_FOUND)
  if (!body.includes('"stream":true')) return void socket.write(WHOLE.get(wire) ?? NOT_FOUND)
  streamTo(socket, wire, /"model":"([^"]*)"/.exec(body.toString('latin1'))?.[1] ?? '')
}

/** The body in chunks that begins at `from`, and where it ends; null while it isn't all there. */
function readChunked(bytes: Buffer, from: number): { body: Buffer; end: number } | null {
  const pieces: Buffer[] = []
  for (let at = from; ;) {
    const line = bytes.indexOf('\r\n', at)
    if (line < 0) return null
    const size = Number.parseInt(bytes.toString('latin1', at, line), 16)
    const end = line + 2 + size + 2
    if (bytes.length < end) return null
    if (size === 0) return { body: Buffer.concat(pieces), end }
    pieces.push(bytes.subarray(line + 2, line + 2 + size))
    at = end
  }
}

function readRequest(bytes: Buffer): { head: string; body: Buffer; end: number } | null {
  const headEnd = bytes.indexOf(HEAD_END)
  if (headEnd < 0) return null
  const head = bytes.toString('latin1', 0, headEnd)
  const from = headEnd + HEAD_END.length
  if (/\r\ntransfer-encoding: *chunked/i.test(head)) {
    const chunked = readChunked(bytes, from)
    return chunked === null ? null : { head, ...chunked }
  }
  const end = from + Number(/\r\ncontent-length: *(\d+)/i.exec(head)?.[1] ?? 0)
  return bytes.length < end ? null : { head, body: bytes.subarray(from, end), end }
}

const server = net.createServer({ noDelay: true }, (socket) => {
  let unread = Buffer.alloc(0)
  socket.on('error', () => socket.destroy())
  socket.on('data', (bytes) => {
    unread = unread.length === 0 ? bytes : Buffer.concat([unread, bytes])
    const request = readRequest(unread)
    if (request === null) return
    unread = unread.subarray(request.end)
    answer(socket, request.head, request.body)
  })
})

server.listen({ port: 0, host: '127.0.0.1', backlog: 1024 }, () => {
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('no port')
  tellParent({ url: `http://127.0.0.1:${address.port}`, headers: {} })
})
endWithParent()
