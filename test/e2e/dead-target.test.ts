// A target whose address is wrong: refused when it is registered, and harmless when it is forced. A storm on it is a
// handful of attempts and a line in the log, and nobody waits for it.
import { createServer, type Server } from 'node:net'
import OpenAI from 'openai'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { ask, clientOf, createRoute, createTenant, eventually, latestAttempts, says } from '../support/account.ts'
import { contentEvent, endEvents, startRawProvider } from '../support/raw-provider.ts'
import { type TestSystem, startTestSystem } from '../support/system.ts'

const STORM = 1_000
const STORM_SMALL = 200
/** Requests of the storm that are under way at once. */
const CONCURRENCY = 50
const MAX_RETRIES = 2
/** A breaker opens at five failures in a row at the latest; each may have been retried. */
const ATTEMPTS_MAX = (1 + MAX_RETRIES) * 5
const LOG_LINES_MAX = 9

let system: TestSystem
let key: string
let door: { readonly server: Server; readonly port: number; connections: number }

beforeAll(async () => {
  system = await startTestSystem()
  key = (await createTenant(system, 'acme')).key
})
afterAll(() => system.dispose())

/** A port where connections are taken and at once destroyed, and counted. */
beforeEach(async () => {
  const server = createServer((socket) => {
    door.connections += 1
    socket.on('error', () => {})
    socket.destroy()
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('no port')
  door = { server, port: address.port, connections: 0 }
  return () => new Promise<void>((resolve) => void server.close(() => resolve()))
})

/** A port where nobody listens. */
async function closedPort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  await new Promise((resolve) => server.close(resolve))
  if (address === null || typeof address === 'string') throw new Error('no port')
  return address.port
}

function dead(id: string, port: number) {
  const base_url = `http://127.0.0.1:${port}/v1`
  return { id, provider: 'custom', model: 'gone', base_url, max_retries: MAX_RETRIES }
}

interface Answer {
  readonly status: number
  readonly text: string
}

/** A thousand requests, or so many, half of them streamed. */
async function storm(model: string, requests = STORM): Promise<readonly Answer[]> {
  const answers: Answer[] = []
  let left = requests
  const client = async (): Promise<void> => {
    while (left-- > 0) {
      const response = await ask(system, key, { model, stream: left % 2 === 0, messages: says(`Number ${left}`) })
      answers.push({ status: response.status, text: await response.text() })
    }
  }
  await Promise.all(Array.from({ length: CONCURRENCY }, client))
  return answers
}

/** Lines that the Workers logged while `work` was done. */
async function linesOf(work: () => Promise<void>): Promise<readonly string[]> {
  const before = system.logs.length
  await work()
  return system.logs.slice(before).map(({ message }) => message)
}

describe('registration', () => {
  test.each(['a closed port', 'a port that hangs up'])('%s is refused with what the probe saw', async (kind) => {
    const port = kind === 'a closed port' ? await closedPort() : door.port
    const answer = await system.admin('POST', '/admin/targets', dead('wrong', port))
    expect(answer).toMatchObject({ status: 422, body: { error: { code: 'probe_failed', field: 'base_url' } } })
    expect(JSON.stringify(answer.body)).toMatch(/could not be reached: no connection: .+\\"force\\": true/)
    expect(await system.admin('GET', '/admin/targets/wrong')).toMatchObject({ status: 404 })
  })

  test('the wrong port of a living server is refused with its answer', async () => {
    const web = await startRawProvider((response) => void response.writeHead(404).end('<h1>Not here</h1>'))
    const answer = await system.admin('POST', '/admin/targets', dead('wrong', web.port))
    await web.close()
    expect(answer).toMatchObject({ status: 422, body: { error: { code: 'probe_failed' } } })
    expect(JSON.stringify(answer.body)).toContain('status 404')
  })
})

describe('a storm on a target that was forced', () => {
  test('alone: a handful of attempts, a clear error for everyone', async () => {
    await createRoute(system, 'gone', [dead('gone', door.port)])
    const probes = door.connections
    const lines = await linesOf(async () => {
      const answers = await storm('gone')
      expect(answers).toHaveLength(STORM)
      for (const { status, text } of answers) {
        expect([502, 503]).toContain(status)
        expect(JSON.parse(text)).toMatchObject({ error: { type: 'server_error', message: expect.any(String) } })
      }
    })
    expect(probes).toBe(1)
    expect(door.connections - probes).toBeGreaterThan(0)
    expect(door.connections - probes).toBeLessThanOrEqual(ATTEMPTS_MAX)
    expect(lines.length).toBeLessThanOrEqual(LOG_LINES_MAX)
    expect(lines.filter((line) => line.includes('target-opened'))).toHaveLength(1)
    const asked = clientOf(system, key).chat.completions.create({ model: 'gone', messages: says('Now?') })
    await expect(asked).rejects.toThrow(OpenAI.InternalServerError)
    // Where the storm took longer than the target is left alone, this is the one that tries it again.
    await expect(asked).rejects.toSatisfy(isClearRefusal)
  })

  test.each(['a closed port', 'a port that hangs up'])('%s with a fallback: everyone gets its answer', async (kind) => {
    const isClosed = kind === 'a closed port'
    const model = isClosed ? 'closed-with-fallback' : 'hung-up-with-fallback'
    const spare = { id: `${model}-spare`, provider: 'simulated-openai', model: 'sim-gpt-fast-tokens5' }
    await createRoute(system, model, [dead(model, isClosed ? await closedPort() : door.port), spare])
    const probes = door.connections
    const requests = isClosed ? STORM_SMALL : STORM
    const lines = await linesOf(async () => {
      const answers = await storm(model, requests)
      expect(answers).toHaveLength(requests)
      for (const { status, text } of answers) {
        expect(status).toBe(200)
        expect(text).toMatch(/"finish_reason": ?"stop"/)
      }
    })
    expect(door.connections - probes).toBeLessThanOrEqual(ATTEMPTS_MAX)
    // Of a closed port the kernel tells nobody: there the gateway's own lines have to do.
    expect(lines.length).toBeLessThanOrEqual(LOG_LINES_MAX)
    expect(lines.filter((line) => line.includes('target-opened'))).toHaveLength(1)
  })

  test('comes back by one probe once it lives again', { timeout: 60_000 }, async () => {
    await createRoute(system, 'returning', [dead('returning', door.port)])
    await storm('returning', STORM_SMALL)
    await new Promise((resolve) => door.server.close(resolve))
    const living = await startRawProvider((response, body) => {
      if (!body.includes('"stream":true')) return void response.end(wholeReply())
      response.writeHead(200, { 'content-type': 'text/event-stream' }).end(contentEvent('back') + endEvents(1, 1))
    }, door.port)
    try {
      const statuses: number[] = []
      await eventually(
        async () => {
          // Several at once: only one of them is let through to try.
          const asks = Array.from({ length: 10 }, async () => {
            const response = await ask(system, key, { model: 'returning', messages: says('Back?') })
            await response.text()
            return response.status
          })
          statuses.push(...(await Promise.all(asks)))
          return living.calls
        },
        (calls) => calls > 0,
        20_000,
      )
      expect(living.calls).toBe(1)
      expect(statuses.filter((status) => status === 200)).toHaveLength(1)
      const answers = await storm('returning', STORM_SMALL)
      expect(answers.filter(({ status }) => status === 200)).toHaveLength(STORM_SMALL)
    } finally {
      await living.close()
    }
  })

  test('is in the ledger, every request once', async () => {
    const rows = await eventually(
      async () => (await latestAttempts(system)).filter((row) => row.requested_model === 'returning'),
      (found) => found.length > 0,
    )
    const finals = rows.filter((row) => row.is_final).map((row) => row.request_id)
    expect(new Set(finals).size).toBe(finals.length)
  })
})

/** Nobody to go to; or the only one there is was tried once more, and not reached. */
function isClearRefusal(error: unknown): boolean {
  if (!(error instanceof OpenAI.APIError)) return false
  return [
    { status: 503, code: 'no_target_available' },
    { status: 502, code: 'provider_unreachable' },
  ].some(({ status, code }) => error.status === status && error.code === code)
}

function wholeReply(): string {
  const message = { role: 'assistant', content: 'back' }
  const usage = { prompt_tokens: 1, completion_tokens: 1, total_tokens: 2 }
  const choices = [{ index: 0, message, finish_reason: 'stop' }]
  return JSON.stringify({ id: 'chatcmpl-raw', object: 'chat.completion', created: 1, model: 'gone', choices, usage })
}
