// The in-house server's other door: a WebSocket on which the first message is the request and every line of the answer is
// a message. It is the same server, so the socket only carries what the path would have answered.

/** Grants the upgrade and answers on the socket; 426 for a call that asks for none. `answer` is the path's own. */
export function answerOnSocket(request: Request, answer: (request: Request) => Promise<Response>): Response {
  if (request.headers.get('upgrade') !== 'websocket') return new Response('a WebSocket, please', { status: 426 })
  const pair = new WebSocketPair()
  const [client, server] = [pair[0], pair[1]]
  const left = new AbortController()
  server.accept()
  server.addEventListener('close', () => left.abort())
  server.addEventListener('error', () => left.abort())
  server.addEventListener('message', ({ data }) => {
    const { url, headers } = request
    const plain = new Headers(headers)
    plain.delete('upgrade')
    const inner = new Request(url, { method: 'POST', headers: plain, body: String(data), signal: left.signal })
    void relay(server, answer(inner))
  })
  return new Response(null, { status: 101, webSocket: client })
}

/** Sends the answer line by line, then hangs up: in order, or not, as the answer ended. */
async function relay(socket: WebSocket, answer: Promise<Response>): Promise<void> {
  try {
    const { body } = await answer
    if (body !== null) for await (const line of linesIn(body)) socket.send(line)
    socket.close(1000, 'done')
  } catch {
    socket.close(1011, 'broken')
  }
}

async function* linesIn(body: ReadableStream<Uint8Array>): AsyncGenerator<string> {
  const decoder = new TextDecoder()
  let pending = ''
  for await (const chunk of body) {
    const lines = (pending + decoder.decode(chunk, { stream: true })).split('\n')
    pending = lines.pop() ?? ''
    yield* lines.filter((line) => line !== '')
  }
  if (pending !== '') yield pending
}
