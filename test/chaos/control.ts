// Between the processes of this run: calls of limiter objects go through here, and Workers ask here what is to happen to them.
// It notes what the limiter has taken in, call by call, which is what the ledger may be asked for.
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import * as z from 'zod/mini'
import type { HeardCall } from './law.ts'
import { Faults, type Point } from './points.ts'
import type { Centre } from './processes.ts'

const RECORD = z.object({ id: z.string(), reserved: z.object({ nanoUsd: z.optional(z.number()) }) })
const CALL = z.object({
  /** Class of the object. */
  kind: z.enum(['tenant', 'side']),
  name: z.string(),
  method: z.string(),
  args: z.array(z.unknown()),
})
const MESSAGE = z.object({
  holder: z.string(),
  number: z.number(),
  admissions: z.array(RECORD),
  chunks: z.array(z.object({ to: z.number(), events: z.string() })),
  wants: z.array(z.unknown()),
})
const EVENTS = z.array(z.object({ requestId: z.string(), attempt: z.number() }))

type Call = z.infer<typeof CALL>
type Message = z.infer<typeof MESSAGE>

/** Who deals with a limiter on a gateway's behalf, and what it has told so far. */
export interface Holder {
  readonly serial: number
  /** The object that it deals with. */
  readonly name: string
  readonly calls: HeardCall[]
}

/** What the limiter was told of an attempt. */
export interface Told {
  readonly serial: number
  /** Reserved for it, where it was announced; null where it was told of only when it was over. */
  reservedNanoUsd: number | null
  /** The limiter has said that it has it: its announcement, its event. Said of neither: it may have it. */
  isAnnounced: boolean
  isReported: boolean
}

export class Control {
  readonly faults = new Faults()
  /** Every attempt that was told of, by `<request id>#<attempt>`. */
  readonly told = new Map<string, Told>()
  /** Every holder of leases, by its id. */
  readonly holders = new Map<string, Holder>()
  /** Gateways that can't reach the limiter. */
  readonly cutOff = new Set<number>()
  isLimiterAway = false
  isD1Away = false
  isKvAway = false
  centre: Centre | null = null
  url = ''
  readonly #server = createServer((request, response) => {
    this.#answer(request, response).catch(() => response.destroy())
  })

  async start(): Promise<void> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve))
    const { port } = z.object({ port: z.number() }).parse(this.#server.address())
    this.url = `http://127.0.0.1:${port}`
  }

  stop(): void {
    this.#server.closeAllConnections()
    this.#server.close()
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const [, kind, name = ''] = (request.url ?? '').split('/')
    if (kind === 'place') return this.#fate(name, response)
    await this.#pass(Number(name), await textOf(request), response)
  }

  /** What happens to a Worker that has come to a place. Where its process dies, it is never told. */
  #fate(place: string, response: ServerResponse): void {
    const { faults } = this
    const killing = KILLING[place]
    // One that has only just begun to live can't be killed yet.
    if (killing !== undefined && faults.isArmed(killing) && this.centre?.kill() === true) {
      faults.take(killing)
      return
    }
    response.end(this.#said(place))
  }

  #said(place: string): string {
    const { faults } = this
    switch (place) {
      case 'send':
        return faults.take('queue, refuses') ? 'fail' : 'go'
      case 'confirm':
        return faults.take('confirmation, lost') ? 'fail' : 'go'
      case 'applied':
        return faults.take('consumer, after D1') ? 'die' : 'go'
      case 'kv':
        if (this.isKvAway) faults.note('KV, away')
        return this.isKvAway ? 'fail' : 'go'
      case 'delivered':
        if (this.isD1Away) faults.note('D1, away')
        return this.isD1Away ? 'd1-away' : (DELIVERIES.find(([point]) => faults.take(point))?.[1] ?? 'go')
      default:
        return 'go'
    }
  }

  async #pass(serial: number, text: string, response: ServerResponse): Promise<void> {
    const call = CALL.parse(JSON.parse(text))
    const message = call.method === 'call' ? MESSAGE.parse(call.args[0]) : null
    const heard = message === null ? null : this.#heard(serial, call.name, message)
    try {
      const answer = await this.#answerTo(serial, call, message, heard)
      if (heard !== null) heard.endedAtMs ??= Date.now()
      if (answer === null) response.destroy()
      else response.end(answer)
    } catch {
      if (heard !== null) heard.endedAtMs ??= Date.now()
      response.destroy()
    }
  }

  /** Null where no answer is to arrive. */
  async #answerTo(
    serial: number,
    call: Call,
    message: Message | null,
    heard: HeardCall | null,
  ): Promise<string | null> {
    const { faults } = this
    if (this.isLimiterAway || this.cutOff.has(serial)) {
      faults.note(this.isLimiterAway ? 'limiter, unreachable' : 'isolate, cut off')
      return null
    }
    if (message === null || heard === null) return this.#forward(call)
    const { late, twice, lost } = CALL_FAULTS[call.kind]
    const isOfEvents = call.kind === 'tenant' && message.chunks.length > 0
    if (call.kind === 'tenant') this.#hear(serial, message, false)
    if (faults.take(late)) await new Promise((resolve) => setTimeout(resolve, 400))
    const strike = this.#strikeOf(message)
    const answer = await this.#forward({ ...call, ...(strike === null ? {} : { strike }) })
    heard.takenAtMs ??= Date.now()
    if (call.kind === 'tenant') this.#hear(serial, message, true)
    if (isOfEvents && faults.isArmed(UNSENT) && this.centre?.kill() === true) faults.take(UNSENT)
    const hasNews = message.chunks.length > 0
    if (hasNews && faults.take(twice)) setTimeout(() => void this.#forward(call).catch(() => null), 150)
    return faults.take(lost) ? null : answer
  }

  #heard(serial: number, name: string, { holder: id, number }: Message): HeardCall {
    const holder = this.holders.get(id) ?? { serial, name, calls: [] }
    this.holders.set(id, holder)
    const known = holder.calls.find((call) => call.number === number)
    if (known !== undefined) return known
    const call: HeardCall = { number, endedAtMs: null, takenAtMs: null }
    holder.calls.push(call)
    return call
  }

  #strikeOf({ wants, chunks }: Message): 'before' | 'after' | null {
    const { faults } = this
    if (this.centre?.doorUrl == null || wants.length + chunks.length === 0) return null
    if (faults.isArmed('limiter, before its commit')) return 'before'
    return faults.isArmed('limiter, before its reply') ? 'after' : null
  }

  async #forward(call: object): Promise<string> {
    const doorUrl = this.centre?.doorUrl ?? null
    if (doorUrl === null) throw new Error('the limiter is dead')
    const answer = await fetch(doorUrl, { method: 'POST', body: JSON.stringify(call) })
    if (!answer.ok) throw new Error(`the limiter answered ${answer.status}`)
    return answer.text()
  }

  #hear(serial: number, { admissions, chunks }: Message, isTaken: boolean): void {
    for (const { id, reserved } of admissions) {
      const told = this.#toldOf(id, serial)
      told.reservedNanoUsd = reserved.nanoUsd ?? 0
      told.isAnnounced ||= isTaken
    }
    for (const { events } of chunks) {
      for (const { requestId, attempt } of EVENTS.parse(JSON.parse(events))) {
        this.#toldOf(`${requestId}#${attempt}`, serial).isReported ||= isTaken
      }
    }
  }

  #toldOf(id: string, serial: number): Told {
    const told = this.told.get(id) ?? { serial, reservedNanoUsd: null, isAnnounced: false, isReported: false }
    this.told.set(id, told)
    return told
  }
}

const CALL_FAULTS = {
  tenant: { late: 'call, late', twice: 'call, twice', lost: 'call, reply lost' },
  side: { late: 'side call, late', twice: 'side call, twice', lost: 'side call, reply lost' },
} as const satisfies Record<Call['kind'], Record<'late' | 'twice' | 'lost', Point>>

const UNSENT = 'limiter, before its outbox is sent'

/** Where the process that asks is to die. */
const KILLING: Readonly<Record<string, Point>> = {
  'before-commit': 'limiter, before its commit',
  'before-reply': 'limiter, before its reply',
  sent: 'limiter, after its outbox is sent',
  'before-d1': 'everything, before D1',
  'after-d1': 'everything, after D1',
}

const DELIVERIES = [
  ['consumer, before D1', 'die'],
  ['queue, loses', 'lose'],
  ['queue, doubles', 'double'],
  ['queue, repeats', 'repeat'],
  ['queue, delays', 'delay'],
  ['queue, reorders', 'reorder'],
] as const satisfies readonly (readonly [Point, string])[]

async function textOf(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = []
  for await (const chunk of request) chunks.push(chunk)
  return Buffer.concat(chunks).toString()
}
