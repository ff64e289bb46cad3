// A provider of the test's own making where the simulated ones don't reach: it sees sockets, and sends what it is told to,
// byte by byte and as slowly or as fast as the test wants.
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'

/** Answers one call. The body of the request is at hand. */
export type RawAnswer = (response: ServerResponse, body: string, request: IncomingMessage) => void | Promise<void>

export interface RawProvider {
  /** For a target's `base_url`. */
  readonly url: string
  readonly port: number
  /** Calls that came. */
  readonly calls: number
  /** Calls that are neither answered to the end nor given up. */
  readonly busy: number
  /** What is answered from now on. */
  answer: RawAnswer
  close(): Promise<void>
}

/** Listens on a port of the loopback: any free one, or this one. */
export async function startRawProvider(answer: RawAnswer, port = 0): Promise<RawProvider> {
  let calls = 0
  let busy = 0
  const server = createServer((request, response) => {
    calls += 1
    busy += 1
    response.on('error', () => {})
    response.on('close', () => (busy -= 1))
    readText(request)
      .then((body) => provider.answer(response, body, request))
      .catch((error: unknown) => response.destroy(error instanceof Error ? error : new Error(String(error))))
  })
  server.on('connection', (socket) => {
    socket.on('error', () => {})
  })
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, '127.0.0.1', resolve)
  })
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('the provider has no port')
  const provider: RawProvider = {
    url: `http://127.0.0.1:${address.port}/v1`,
    port: address.port,
    get calls() {
      return calls
    },
    get busy() {
      return busy
    },
    answer,
    async close() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
  return provider
}

async function readText(request: IncomingMessage): Promise<string> {
  let text = ''
  for await (const chunk of request) text += String(chunk)
  return text
}

/** An event of OpenAI's stream that carries this text. */
export function contentEvent(text: string): string {
  const choices = [{ index: 0, delta: { content: text }, finish_reason: null }]
  return `data: ${JSON.stringify({ id: 'chatcmpl-raw', object: 'chat.completion.chunk', created: 1, model: 'raw', choices })}\n\n`
}

/** The proper end of OpenAI's stream. */
export function endEvents(promptTokens: number, completionTokens: number): string {
  const head = { id: 'chatcmpl-raw', object: 'chat.completion.chunk', created: 1, model: 'raw' }
  const finish = { ...head, choices: [{ index: 0, delta: {}, finish_reason: 'stop' }] }
  const usage = {
    prompt_tokens: promptTokens,
    completion_tokens: completionTokens,
    total_tokens: promptTokens + completionTokens,
  }
  return `data: ${JSON.stringify(finish)}\n\ndata: ${JSON.stringify({ ...head, choices: [], usage })}\n\ndata: [DONE]\n\n`
}

/** Sends `piece`; resolves when more is welcome, or the other side is gone. */
export async function sent(response: ServerResponse, piece: string | Uint8Array): Promise<void> {
  if (response.write(piece) || response.destroyed) return
  await new Promise<void>((resolve) => {
    const go = (): void => {
      response.off('drain', go)
      response.off('close', go)
      resolve()
    }
    response.on('drain', go)
    response.on('close', go)
  })
}
