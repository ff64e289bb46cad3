// A provider on any wire that behaves as the address says, with the replies of our fixtures: throttling, failing every other time,
// breaking off, failing with its first word, or answering. An address is `/<wire>/<behaviour>`, whatever follows.
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Wire } from '../../src/core/directory.ts'
import { numberOf, objectOf } from '../../src/wire/read.ts'
import { type Fixture, fixturesOf } from '../fixtures/replies.ts'
import { encodeMessage, exceptionMessage } from './event-stream.ts'
import { type RawProvider, sent, startRawProvider } from './raw-provider.ts'

export const BEHAVIOURS = [
  'answers',
  'throttles',
  'fails-at-times',
  'breaks-off',
  'ends-early',
  'fails-at-first',
  'says-nothing',
] as const
export type Behaviour = (typeof BEHAVIOURS)[number]

const sse = (data: object, event = ''): string =>
  `${event === '' ? '' : `event: ${event}\n`}data: ${JSON.stringify(data)}\n\n`
const OUTAGE = { message: 'The engine room is on fire.', type: 'server_error', param: null, code: null }

/** What a stream begins and ends with when its provider fails before it has said anything. */
export const FIRST_WORDS: Readonly<Partial<Record<Wire, string | Buffer>>> = {
  'openai-chat': sse({ error: OUTAGE }) + 'data: [DONE]\n\n',
  'openai-completions': sse({ error: OUTAGE }),
  'openai-responses': sse({ ...OUTAGE, type: 'error', code: 'server_error', sequence_number: 0 }, 'error'),
  'anthropic-messages': sse({ type: 'error', error: { type: 'overloaded_error', message: 'Overloaded' } }, 'error'),
  gemini: sse({ error: { code: 503, message: 'The model is overloaded.', status: 'UNAVAILABLE' } }),
  'bedrock-converse': encodeMessage(exceptionMessage('serviceUnavailableException', { message: 'Out of capacity.' })),
  cohere: sse(
    { type: 'message-end', delta: { finish_reason: 'ERROR', usage: {}, error: OUTAGE.message } },
    'message-end',
  ),
  ollama: `${JSON.stringify({ error: OUTAGE.message })}\n`,
  tgi: `data:${JSON.stringify({ error: OUTAGE.message, error_type: 'generation' })}\n\n`,
  'workers-ai': sse({ errors: [{ message: OUTAGE.message, code: 3043 }], success: false, result: {}, messages: [] }),
}

/** The wires that it speaks. */
export const SPOKEN_WIRES = [
  'openai-chat',
  'openai-completions',
  'openai-responses',
  'anthropic-messages',
  'gemini',
  'bedrock-converse',
  'cohere',
  'ollama',
  'tgi',
  'workers-ai',
] as const satisfies readonly Wire[]

/** The fixture of that name. */
export function fixtureOf(wire: Wire, name: string): Fixture {
  const found = fixturesOf(wire).find((fixture) => fixture.name === name)
  if (found === undefined) throw new Error(`${wire} has no fixture ${name}`)
  return found
}

export interface WireStandIn extends RawProvider {
  /** Calls so far. */
  callsTo(wire: Wire, behaviour: Behaviour): number
}

/** Listens. */
export async function startWireStandIn(): Promise<WireStandIn> {
  const calls = new Map<string, number>()
  const provider = await startRawProvider(async (response, body, request) => {
    const [, wire, behaviour] = (request.url ?? '').split('/')
    const known = SPOKEN_WIRES.find((one) => one === wire)
    const meant = BEHAVIOURS.find((one) => one === behaviour)
    if (known === undefined || meant === undefined) return void response.writeHead(404).end('{}')
    const count = (calls.get(`${known} ${meant}`) ?? 0) + 1
    calls.set(`${known} ${meant}`, count)
    await behave(known, meant, count, { response, isStreamed: asksForStream(body, request) })
  })
  return Object.assign(provider, {
    callsTo: (wire: Wire, behaviour: Behaviour) => calls.get(`${wire} ${behaviour}`) ?? 0,
  })
}

function asksForStream(body: string, { url }: IncomingMessage): boolean {
  return /"stream":true/.test(body) || /stream(?:GenerateContent|\b)/.test((url ?? '').split('/').slice(3).join('/'))
}

interface Asked {
  readonly response: ServerResponse
  readonly isStreamed: boolean
}

async function behave(wire: Wire, behaviour: Behaviour, count: number, asked: Asked): Promise<void> {
  const { response } = asked
  switch (behaviour) {
    case 'answers':
      return answer(wire, asked)
    case 'throttles':
      return refuse(wire, 'error-429', response)
    case 'fails-at-times':
      return count % 2 === 1 ? refuse(wire, 'error-500', response) : answer(wire, asked)
    case 'breaks-off':
    case 'ends-early': {
      const fixture = fixtureOf(wire, 'cut-stream')
      response.writeHead(200, { 'content-type': fixture.contentType ?? 'text/event-stream' })
      await sent(response, fixture.bytes ?? '')
      if (behaviour === 'ends-early') response.end()
      else setTimeout(() => response.destroy(), 20)
      return
    }
    case 'fails-at-first':
    case 'says-nothing': {
      const { contentType } = fixtureOf(wire, 'cut-stream')
      response.writeHead(200, { 'content-type': contentType ?? 'text/event-stream' })
      response.end(behaviour === 'says-nothing' ? '' : (FIRST_WORDS[wire] ?? ''))
    }
  }
}

async function answer(wire: Wire, { response, isStreamed }: Asked): Promise<void> {
  const { bytes, contentType, whole } = fixtureOf(wire, 'basic')
  if (!isStreamed) {
    response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(whole))
    return
  }
  response.writeHead(200, { 'content-type': contentType ?? 'text/event-stream' })
  for (let at = 0; at < (bytes?.length ?? 0); at += 50) await sent(response, bytes?.subarray(at, at + 50) ?? '')
  response.end()
}

function refuse(wire: Wire, name: string, response: ServerResponse): void {
  const { status, headers, body } = objectOf(fixtureOf(wire, name).error ?? {})
  const given = Object.entries(objectOf(headers)).map(([header, value]) => [header, String(value)] as const)
  response.writeHead(numberOf(status) ?? 500, Object.fromEntries(given)).end(String(body))
}
