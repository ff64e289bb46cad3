// Upstash's REST interface in front of a real Redis: a command as a JSON array to `/`, several to `/pipeline`, a bearer
// token, `{result}` or `{error}`, texts in base64 for who asks. https://upstash.com/docs/redis/features/restapi
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import * as z from 'zod/mini'
import { RedisError, type RedisServer, type RedisValue, startRedisServer } from './redis-server.ts'

export interface RedisRest {
  readonly url: string
  readonly token: string
  /** The Redis behind it: what is really in there. */
  readonly redis: RedisServer
  /** Requests that came, whatever became of them. */
  readonly requests: number
  /** While set, requests are taken and wait until it resolves. */
  held: Promise<void> | null
  /** Stops both. */
  close(): Promise<void>
}

const COMMAND = z.array(z.union([z.string(), z.number(), z.boolean()])).check(z.minLength(1))

type RestValue = null | number | string | readonly RestValue[]
type RestResult = { readonly result: RestValue } | { readonly error: string }

interface RestAnswer {
  readonly status: number
  readonly body: RestResult | readonly RestResult[]
}

/** Starts a Redis and its REST interface on free ports of the loopback. */
export async function startRedisRest(token = 'token-of-the-tests'): Promise<RedisRest> {
  const redis = await startRedisServer()
  let requests = 0
  const server = createServer((request, response) => {
    requests += 1
    response.on('error', () => {})
    answer(rest, request)
      .catch((error: unknown): RestAnswer => ({ status: 500, body: { error: String(error) } }))
      .then((answered) => send(response, answered))
      .catch((error: unknown) => response.destroy(error instanceof Error ? error : new Error(String(error))))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('the REST interface has no port')
  const rest: RedisRest = {
    url: `http://127.0.0.1:${address.port}`,
    token,
    redis,
    get requests() {
      return requests
    },
    held: null,
    async close() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
      await redis.stop()
    },
  }
  return rest
}

async function answer(rest: RedisRest, request: IncomingMessage): Promise<RestAnswer> {
  let text = ''
  for await (const chunk of request.setEncoding('utf8')) text += String(chunk)
  if (rest.held !== null) await rest.held
  if (request.headers.authorization !== `Bearer ${rest.token}`) {
    return { status: 401, body: { error: 'WRONGPASS invalid or missing auth token' } }
  }
  if (request.method !== 'POST') return { status: 405, body: { error: 'ERR method not allowed' } }
  const isBase64 = request.headers['upstash-encoding'] === 'base64'
  if (request.url === '/') {
    const body = await run(rest.redis, text, isBase64)
    return { status: 'error' in body ? 400 : 200, body }
  }
  if (request.url === '/pipeline') return { status: 200, body: await runAll(rest.redis, text, isBase64) }
  return { status: 404, body: { error: 'ERR not found' } }
}

async function runAll(redis: RedisServer, text: string, isBase64: boolean): Promise<readonly RestResult[]> {
  const commands = z.array(z.unknown()).parse(JSON.parse(text))
  const results: RestResult[] = []
  for (const command of commands) results.push(await run(redis, JSON.stringify(command), isBase64))
  return results
}

async function run(redis: RedisServer, text: string, isBase64: boolean): Promise<RestResult> {
  const command = COMMAND.safeParse(JSON.parse(text))
  if (!command.success) return { error: 'ERR failed to parse command' }
  try {
    return { result: rendered(await redis.command(...command.data.map(String)), isBase64) }
  } catch (error) {
    if (error instanceof RedisError) return { error: error.message }
    throw error
  }
}

function rendered(value: RedisValue, isBase64: boolean): RestValue {
  if (value === null || typeof value === 'number') return value
  if ('status' in value) return value.status
  if ('text' in value) return value.text.toString(isBase64 ? 'base64' : 'utf8')
  return value.list.map((item) => rendered(item, isBase64))
}

function send(response: ServerResponse, { status, body }: RestAnswer): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body))
}
