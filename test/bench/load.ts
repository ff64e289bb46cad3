// The load generator, a process of its own: clients on raw keep-alive sockets, each sending its next request when the
// last was answered. Every answer is read to its end and looked at: what isn't a whole good answer is a failure.
import net from 'node:net'
import { AnswerReader, type Answer } from './answer-reader.ts'
import { endWithParent, JOB, tellParent, type Job, type Load } from './job.ts'
import { spreadOf } from './statistics.ts'

interface Timed {
  readonly answer: Answer
  readonly wholeMs: number
  readonly contentMs: number
}

interface Client {
  exchange(): Promise<Timed>
  close(): void
}

interface Tally {
  requests: number
  failures: number
  firstFailure: string | null
  readonly wholeMs: number[]
  readonly contentMs: number[]
}

function requestBytes(job: Job): Buffer {
  const { host, pathname } = new URL(job.url)
  const body = Buffer.from(job.body)
  const headers = { host, 'content-type': 'application/json', ...job.headers, 'content-length': String(body.length) }
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`)
  return Buffer.concat([Buffer.from(`POST ${pathname} HTTP/1.1\r\n${lines.join('')}\r\n`), body])
}

async function connect(url: URL): Promise<net.Socket> {
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  const socket = net.connect({ host: url.hostname, port: Number(url.port), noDelay: true })
  socket.once('error', reject)
  socket.once('connect', resolve)
  await promise
  socket.off('error', reject)
  return socket
}

async function openClient(job: Job, request: Buffer): Promise<Client> {
  const socket = await connect(new URL(job.url))
  const content = Buffer.from(job.content.text)
  let started = 0
  let contentMs = 0
  let waiting: PromiseWithResolvers<Timed> | null = null
  const reader = new AnswerReader((piece) => {
    if (contentMs === 0 && piece.includes(content)) contentMs = performance.now() - started
  })
  const fail = (error: Error): void => {
    waiting?.reject(error)
    waiting = null
    socket.destroy()
  }
  socket.on('error', fail)
  socket.on('close', () => fail(new Error('the connection was closed')))
  socket.on('data', (bytes) => {
    try {
      const answer = reader.push(bytes)
      if (answer === null) return
      waiting?.resolve({ answer, wholeMs: performance.now() - started, contentMs })
      waiting = null
    } catch (error) {
      fail(error instanceof Error ? error : new Error(String(error)))
    }
  })
  return {
    exchange() {
      waiting = Promise.withResolvers<Timed>()
      const { promise } = waiting
      contentMs = 0
      started = performance.now()
      socket.write(request)
      return promise
    },
    close: () => void socket.destroy(),
  }
}

function occurrences(body: Buffer, text: string): number {
  let count = 0
  for (let at = body.indexOf(text); at >= 0; at = body.indexOf(text, at + text.length)) count += 1
  return count
}

/** Nothing if the answer is whole and good, else what it isn't. */
function objection(job: Job, { status, body }: Answer): string | null {
  if (status !== 200) return `status ${status}: ${body.toString('latin1', 0, 300)}`
  const found = occurrences(body, job.content.text)
  if (found !== job.content.times) return `${found} pieces of content instead of ${job.content.times}`
  if (!body.subarray(-200).toString('latin1').trimEnd().endsWith(job.end))
    return `it ends with ${body.subarray(-60).toString('latin1')}`
  return null
}

function note(tally: Tally, job: Job, timed: Timed): void {
  const wrong = objection(job, timed.answer)
  if (wrong !== null) return noteFailure(tally, wrong)
  tally.requests += 1
  tally.wholeMs.push(timed.wholeMs)
  tally.contentMs.push(timed.contentMs)
}

function noteFailure(tally: Tally, what: string): void {
  tally.failures += 1
  tally.firstFailure ??= what
}

async function runClient(job: Job, request: Buffer, tally: Tally, untilMs: number): Promise<void> {
  let client: Client | null = null
  while (performance.now() < untilMs) {
    try {
      client ??= await openClient(job, request)
      note(tally, job, await client.exchange())
    } catch (error) {
      noteFailure(tally, error instanceof Error ? error.message : String(error))
      client?.close()
      client = null
      await new Promise((resolve) => setTimeout(resolve, 20)) // A target that is gone must not be hammered.
    }
  }
  client?.close()
}

async function run(job: Job): Promise<Load> {
  const request = requestBytes(job)
  const tally: Tally = { requests: 0, failures: 0, firstFailure: null, wholeMs: [], contentMs: [] }
  const startMs = performance.now()
  const untilMs = startMs + job.seconds * 1000
  await Promise.all(Array.from({ length: job.concurrency }, () => runClient(job, request, tally, untilMs)))
  const { requests, failures, firstFailure } = tally
  const seconds = (performance.now() - startMs) / 1000
  return {
    requests,
    failures,
    firstFailure,
    seconds,
    whole: spreadOf(tally.wholeMs),
    content: spreadOf(tally.contentMs),
  }
}

process.on('message', (message) => {
  void run(JOB.parse(message)).then(tellParent)
})
endWithParent()
tellParent({ url: '', headers: {} })
