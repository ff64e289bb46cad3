// Between the processes of this run: calls of limiter objects go through here, and Workers ask here what is to happen to them.
// It notes what the limiter has taken in, call by call, which is what the ledger may be asked for.
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import * as z from 'zod/mini'
import { Faults, type Point } from './points.ts'
import type { Centre } from './processes.ts'

const RECORD = z.object({ id: z.string(), reserved: z.object({ nanoUsd: z.optional(z.number()) }) })
const CALL = z.object({
  name: z.string(),
  method: z.string(),
  args: z.array(z.unknown()),
})
const MESSAGE = z.object({
  holder: z.string(),
  admissions: z.array(RECORD),
  chunks: z.array(z.object({ to: z.number(), events: z.string() })),
  wants: z.array(z.unknown()),
})
const EVENTS = z.array(z.object({ requestId: z.string(), attempt: z.number() }))

type Message = z.infer<typeof MESSAGE>

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
  /** Of which gateway a holder of leases is. */
  readonly serialOf = new Map<string, number>()
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
    const { faults } = this
    if (this.isLimiterAway || this.cutOff.has(serial)) {
      faults.note(this.isLimiterAway ? 'limiter, unreachable' : 'isolate, cut off')
      return void response.destroy()
    }
    const call = CALL.parse(JSON.parse(text))
    const message = call.method === 'call' ? MESSAGE.parse(call.args[0]) : null
    if (message === null) return void response.end(await this.#forward(call))
    this.serialOf.set(message.holder, serial)
    this.#hear(serial, message, false)
    if (faults.take('call, late')) await new Promise((resolve) => setTimeout(resolve, 400))
    const isOfEvents = message.chunks.length > 0
    const strike = this.#strikeOf(message)
    const answer = await this.#forward({ ...call, ...(strike === null ? {} : { strike }) })
    this.#hear(serial, message, true)
    if (isOfEvents && faults.isArmed(UNSENT) && this.centre?.kill() === true) faults.take(UNSENT)
    if (isOfEvents && faults.take('call, twice')) setTimeout(() => void this.#forward(call).catch(() => null), 150)
    if (faults.take('call, reply lost')) return void response.destroy()
    response.end(answer)
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
