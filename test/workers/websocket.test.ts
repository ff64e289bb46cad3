// A backend behind a WebSocket, with real sockets: its messages come as lines, and every end of it is an end.
import { describe, expect, test } from 'vitest'
import { answerOf, MESSAGE_LENGTH_MAX, UNREAD_BYTES_MAX, upgradeHeaders } from '../../src/platform/websocket.ts'

interface Line {
  readonly response: Response
  readonly server: WebSocket
  readonly abort: AbortController
  readonly received: readonly string[]
  /** Codes that the server was closed with. */
  readonly closed: readonly number[]
}

function dial(message = '{"question":"Ebb?"}'): Line {
  const pair = new WebSocketPair()
  const [client, server] = [pair[0], pair[1]]
  const received: string[] = []
  const closed: number[] = []
  server.accept()
  server.addEventListener('message', ({ data }) => {
    received.push(String(data))
  })
  server.addEventListener('close', ({ code }) => {
    closed.push(code)
  })
  const abort = new AbortController()
  const response = answerOf(new Response(null, { status: 101, webSocket: client }), message, abort.signal)
  return { response, server, abort, received, closed }
}

/** The body as text, whatever its type. */
async function textOf(response: Response): Promise<string> {
  return new Response(response.body).text()
}

/** Lets what is on its way between the two ends arrive. */
async function settled(): Promise<void> {
  for (let turn = 0; turn < 20; turn += 1) await new Promise((resolve) => setTimeout(resolve, 0))
}

describe('a WebSocket as a response', () => {
  test('sends the body as the first message and gives a line a message', async () => {
    const { response, server, received } = dial()
    server.send('{"text":"Slack"}')
    server.send('{\n "text": " water\\n"\n}')
    server.send('not JSON\nat all')
    server.send(new TextEncoder().encode('{"text":"潮"}'))
    server.close(1000, 'done')
    expect(response.headers.get('content-type')).toBe('application/x-ndjson')
    expect(await textOf(response)).toBe('{"text":"Slack"}\n{"text":" water\\n"}\n"not JSON\\nat all"\n{"text":"潮"}\n')
    expect(received).toEqual(['{"question":"Ebb?"}'])
  })

  test('breaks off where the socket does', async () => {
    const { response, server } = dial()
    server.send('{"text":"Half"}')
    server.close(1011, 'engine stopped')
    await expect(textOf(response)).rejects.toThrow('closed with 1011')
  })

  test('is given up by an abort, and the socket closed', async () => {
    const { response, abort, closed } = dial()
    abort.abort(new Error('timed-out'))
    await expect(textOf(response)).rejects.toThrow('timed-out')
    await settled()
    expect(closed).toEqual([1000])
  })

  test('closes the socket when its reader leaves', async () => {
    const { response, server, closed } = dial()
    server.send('{"text":"Half"}')
    const reader = response.body?.getReader()
    await reader?.read()
    await reader?.cancel('left')
    await settled()
    expect(closed).toEqual([1000])
  })

  test('takes no message beyond the bound', async () => {
    const { response, server } = dial()
    server.send('x'.repeat(MESSAGE_LENGTH_MAX + 1))
    await expect(textOf(response)).rejects.toThrow('too long')
  })

  test('holds no more than the bound for a reader that is too slow', async () => {
    const { response, server } = dial()
    const message = JSON.stringify('x'.repeat(MESSAGE_LENGTH_MAX / 2))
    for (let sent = 0; sent < UNREAD_BYTES_MAX * 2; sent += message.length) server.send(message)
    await settled()
    await expect(textOf(response)).rejects.toThrow('too slowly')
  })

  test('is the refusal itself where no socket was granted', async () => {
    const { signal } = new AbortController()
    const refused = new Response('{"error":"no"}', { status: 401 })
    expect(answerOf(refused, '', signal)).toBe(refused)
    expect(answerOf(new Response('hello'), '', signal).status).toBe(502)
  })

  test('asks for the upgrade with the headers of the call', () => {
    expect(upgradeHeaders({ authorization: 'Bearer x', 'content-type': 'application/json' })).toEqual({
      authorization: 'Bearer x',
      upgrade: 'websocket',
    })
  })
})
