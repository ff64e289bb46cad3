// A backend behind a WebSocket, as a response like any other: the body goes up as the first message, what comes down is a
// line of JSON a message, and the socket's end is the end. Separate, so that nothing else has to know of sockets.
//
// A WebSocket can't be told to wait. What a slow client leaves unread is held, up to a bound; beyond it the call is given
// up rather than the isolate. https://developers.cloudflare.com/workers/runtime-apis/websockets/
import { parseJson } from '../core/json.ts'

/** Longest message, in characters or bytes. */
export const MESSAGE_LENGTH_MAX = 1024 * 1024
/** Most bytes that wait for a slow client. */
export const UNREAD_BYTES_MAX = 8 * 1024 * 1024

/** Closing codes of a socket that was closed in order. https://www.rfc-editor.org/rfc/rfc6455#section-7.4.1 */
const IN_ORDER: ReadonlySet<number> = new Set([1000, 1005])
const LINE_TYPE = { 'content-type': 'application/x-ndjson' }

/** Sends `message` on the socket of an upgrade that was granted, and gives what comes back; the response as it is when none
 *  was. `signal` closes the socket. */
export function answerOf(response: Response, message: string, signal: AbortSignal): Response {
  const { webSocket } = response
  if (webSocket !== null) return new Response(linesOf(webSocket, message, signal), { headers: LINE_TYPE })
  if (response.status >= 400) return response
  const error = { error: { message: 'The provider does not speak WebSocket at this address.' } }
  return Response.json(error, { status: 502 })
}

/** What a call over HTTP needs to become one over a socket. */
export function upgradeHeaders(headers: Readonly<Record<string, string>>): Record<string, string> {
  const { 'content-type': _, ...rest } = headers
  return { ...rest, upgrade: 'websocket' }
}

/** The socket's messages as lines. */
function linesOf(socket: WebSocket, message: string, signal: AbortSignal): ReadableStream<Uint8Array> {
  const encoder = new TextEncoder()
  let isOver = false
  const hangUp = (code: number, reason: string): void => {
    isOver = true
    // A socket that is closed already has nothing to be told.
    try {
      socket.close(code, reason)
    } catch {}
  }
  return new ReadableStream<Uint8Array>(
    {
      start(controller) {
        const fail = (reason: unknown, code = 1000): void => {
          if (isOver) return
          hangUp(code, 'given up')
          controller.error(reason)
        }
        socket.addEventListener('message', ({ data }) => {
          if (isOver) return
          const line = lineOf(data)
          if (line === null) return fail(new Error('A message of the provider is too long.'), 1009)
          controller.enqueue(encoder.encode(line))
          if ((controller.desiredSize ?? 0) < 0) fail(new Error('The client reads too slowly.'))
        })
        socket.addEventListener('close', ({ code }) => {
          if (isOver) return
          if (!IN_ORDER.has(code)) return fail(new Error(`The provider closed with ${code}.`))
          hangUp(1000, 'done')
          controller.close()
        })
        socket.addEventListener('error', () => fail(new Error('The connection broke.')))
        if (signal.aborted) return fail(signal.reason)
        signal.addEventListener('abort', () => fail(signal.reason), { once: true })
        // Newer runtimes give blobs, which can't be read at once.
        socket.binaryType = 'arraybuffer'
        socket.accept()
        socket.send(message)
      },
      cancel() {
        if (!isOver) hangUp(1000, 'client left')
      },
    },
    new ByteLengthQueuingStrategy({ highWaterMark: UNREAD_BYTES_MAX }),
  )
}

/** A message as a line: JSON without line ends, plain text as a JSON text. Null for one that is too long. */
function lineOf(data: unknown): string | null {
  const text = data instanceof ArrayBuffer ? new TextDecoder().decode(data) : String(data)
  if (text.length > MESSAGE_LENGTH_MAX) return null
  const value = parseJson(text)
  if (value === undefined) return `${JSON.stringify(text)}\n`
  return text.includes('\n') || text.includes('\r') ? `${JSON.stringify(value)}\n` : `${text}\n`
}
