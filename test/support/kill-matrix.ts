// Kills a provider in the middle of its stream, after every byte, in every way, and looks at what the client gets: the whole text
// exactly once, or one error where a reply can't be gone on with. Whoever goes on is a simulated provider, which says the rest of
// its script, or a parrot that knows the text of a recording; both honour a prefix and the instruction to go on.
import { isDeepStrictEqual } from 'node:util'
import { vi } from 'vitest'
import type { DialectName, Target, Wire } from '../../src/core/directory.ts'
import { fold } from '../../src/core/reply/fold.ts'
import { parseJson } from '../../src/core/json.ts'
import type { NeutralReply } from '../../src/core/neutral.ts'
import { CONTINUED_TAG } from '../../src/data-plane/exchange.ts'
import { createFramer } from '../../src/data-plane/framing/index.ts'
import { serve } from '../../src/data-plane/serve.ts'
import type { Protocol } from '../../src/protocols/protocol.ts'
import { readPrompt } from '../../src/simulated/prompt.ts'
import { writeChatFinish } from '../../src/wire/openai-chat.ts'
import { arrayOf, objectOf } from '../../src/wire/read.ts'
import { type Fixture, fixturesOf } from '../fixtures/replies.ts'
import { type PathWorld, type SentCall, ended, expectSettled, pathWorld } from './path-world.ts'
import { contentEvent, endEvents } from './raw-provider.ts'
import { dialects, protocols } from './registries.ts'
import {
  type ClientName,
  type Expected,
  type Verdict,
  clientsReply,
  disorderIn,
  expectedOf,
  judge,
} from './kill-verdict.ts'
import { askSimulated, instantClock } from './simulated.ts'
import { TARGET } from './target.ts'
import { FIRST_WORDS } from './wire-stand-in.ts'

export const DEATHS = ['reset', 'end', 'silence', 'error', 'garbage', '5xx after', 'twice'] as const
export type Death = (typeof DEATHS)[number]

/** Simulated wires: where they are, and a model. */
const SIMULATED = {
  'openai-chat': ['/openai/v1', 'sim-gpt-fast'],
  'anthropic-messages': ['/anthropic/v1', 'sim-claude-fast'],
  gemini: ['/gemini/v1beta', 'sim-gemini-fast'],
  'bedrock-converse': ['/bedrock', 'sim-bedrock-fast'],
  ollama: ['/ollama', 'sim-llama-fast'],
  cohere: ['/cohere/v2', 'sim-command-fast'],
} as const satisfies Partial<Record<DialectName, readonly [string, string]>>
export type SimulatedWire = keyof typeof SIMULATED
export const SIMULATED_WIRES: readonly SimulatedWire[] = [
  'openai-chat',
  'anthropic-messages',
  'gemini',
  'bedrock-converse',
  'ollama',
  'cohere',
]

/** Wires whose recorded streams are killed. */
export const RECORDED_WIRES: readonly Wire[] = [
  'openai-chat',
  'anthropic-messages',
  'openai-responses',
  'openai-completions',
  'gemini',
  'bedrock-converse',
  'cohere',
  'ollama',
  'tgi',
  'workers-ai',
]

const TIMEOUTS = { firstContentMs: 2_000, idleMs: 400, totalMs: 60_000 }
const QUESTION = 'Why does the tide come in twice a day?'
const TOOL = { type: 'object', properties: { port: { type: 'string' } }, required: ['port'] }

/** What a client asks. */
export interface Asking {
  readonly client: ClientName
  readonly hasTool?: boolean
  readonly more?: Readonly<Record<string, unknown>>
}

/** One way to die, and who goes on. */
export interface Kill {
  readonly asking: Asking
  /** The stream that is killed. */
  readonly bytes: Uint8Array
  readonly contentType: string
  readonly source: Target
  /** Goes on. */
  readonly heir: Target
  /** Answers the heir's calls. */
  readonly answer: (call: SentCall) => Promise<Response> | Response
  /** What an uncut stream comes to. */
  readonly expected: Expected
  /** Whether its events are in the order that we look for. */
  readonly isOrderly: boolean
  /** The source once more: it goes on, too. */
  readonly again?: (call: SentCall) => Promise<Response>
}

export interface Outcome {
  readonly verdict: Verdict
  /** What is wrong, or what was declared. */
  readonly detail: string
  readonly text: string
  /** All that the reply has was told, whatever came after it. */
  readonly isTold: boolean
}

/** A target on a simulated wire. */
export function simulated(wire: SimulatedWire, id: string, more: Partial<Target> = {}): Target {
  const [path, model] = SIMULATED[wire]
  return {
    ...TARGET,
    id,
    provider: id,
    dialect: wire,
    baseUrl: `http://simulated${path}`,
    model,
    timeouts: TIMEOUTS,
    ...more,
  }
}

/** Has a simulated provider answer. */
export function answerSimulated({ target, path, headers, text, method }: SentCall): Promise<Response> {
  const credential = { authorization: 'Bearer test', 'x-goog-api-key': 'test', 'anthropic-version': '2023-06-01' }
  const init = { method: method ?? 'POST', headers: { ...credential, ...headers }, body: text }
  return askSimulated(new Request(target.baseUrl + path, init), instantClock())
}

/** A target of the chat wire, for the parrot. */
export const PARROT: Target = { ...TARGET, id: 'parrot', provider: 'parrot', timeouts: TIMEOUTS }

/** Says the rest of this reply, a few characters at a time. */
export function parrot({ text: whole, finish, calls, others }: Expected): (call: SentCall) => Response {
  const reason = JSON.stringify(finish === null ? 'stop' : writeChatFinish(finish))
  const head = { id: 'chatcmpl-raw', object: 'chat.completion.chunk', created: 1, model: 'raw' }
  const called = calls.flatMap(([name, words], index) =>
    [
      { index, id: `call_${index}`, type: 'function', function: { name, arguments: '' } },
      ...(words.match(/[^]{1,5}/gu) ?? []).map((piece) => ({ index, function: { arguments: piece } })),
    ].map(
      (one) =>
        `data: ${JSON.stringify({ ...head, choices: [{ index: 0, delta: { tool_calls: [one] }, finish_reason: null }] })}\n\n`,
    ),
  )
  const besides = others.flatMap((other, at) => {
    const reason = other.finish === null ? 'stop' : writeChatFinish(other.finish)
    return [
      { index: at + 1, delta: { content: other.text }, finish_reason: null },
      { index: at + 1, delta: {}, finish_reason: reason },
    ].map((one) => `data: ${JSON.stringify({ ...head, choices: [one] })}\n\n`)
  })
  return ({ text }) => {
    const turns = arrayOf(objectOf(parseJson(text))['messages']).map((turn) => objectOf(turn))
    const { continues } = readPrompt(turns, '')
    const rest = whole.startsWith(continues) ? whole.slice(continues.length) : whole
    const pieces = rest.match(/[^]{1,5}/gu) ?? []
    const end = endEvents(10, pieces.length).replace('"stop"', reason)
    return new Response([...pieces.map(contentEvent), ...called, ...besides, end].join(''), {
      headers: { 'content-type': 'text/event-stream' },
    })
  }
}

/** The request in the client's words. */
function bodyOf({ client, hasTool = false, more = {} }: Asking): object {
  const messages = [{ role: 'user', content: QUESTION }]
  const shared = { model: 'asked', stream: true, ...more }
  switch (client) {
    case 'chat': {
      const tools = hasTool ? { tools: [{ type: 'function', function: { name: 'tide_table', parameters: TOOL } }] } : {}
      return { messages, ...shared, stream_options: { include_usage: true }, ...tools }
    }
    case 'messages':
      return {
        messages,
        max_tokens: 1_000,
        ...shared,
        ...(hasTool ? { tools: [{ name: 'tide_table', input_schema: TOOL }] } : {}),
      }
    case 'responses':
      return {
        input: QUESTION,
        ...shared,
        ...(hasTool ? { tools: [{ type: 'function', name: 'tide_table', parameters: TOOL }] } : {}),
      }
    case 'completions':
      return { prompt: QUESTION, ...shared, stream_options: { include_usage: true } }
  }
}

/** What the client gets of a request; the world is settled afterwards. */
export async function asked(
  world: PathWorld,
  asking: Asking,
  headers: Readonly<Record<string, string>> = {},
): Promise<Response> {
  const protocol: Protocol = protocols[asking.client]
  const text = JSON.stringify(bodyOf(asking))
  const request = new Request(`https://gateway.test${protocol.endpoint}`, {
    method: 'POST',
    headers: {
      authorization: 'Bearer tg_test_of_the_client',
      'content-type': 'application/json',
      'content-length': String(Buffer.byteLength(text)),
      ...headers,
    },
    body: text,
  })
  return world.serve((services, later) => serve(request, protocol, services, later))
}

/** The bytes of a simulated stream, as the gateway gets them for this question. */
export async function simulatedBytes(
  source: Target,
  asking: Asking,
): Promise<{ bytes: Uint8Array; contentType: string }> {
  const world = pathWorld([source])
  let bytes = new Uint8Array()
  let contentType = ''
  world.upstream = async (call) => {
    const response = await answerSimulated(call)
    contentType = response.headers.get('content-type') ?? ''
    bytes = new Uint8Array(await response.arrayBuffer())
    return new Response(bytes, { headers: { 'content-type': contentType } })
  }
  await ended(world, await asked(world, asking))
  return { bytes, contentType }
}

/** The reply that a stream of this target tells. */
export function replyIn(target: Target, bytes: Uint8Array, contentType: string): NeutralReply {
  const dialect = dialects[target.dialect]
  const framer = createFramer(contentType, dialect.framing)
  const reader = dialect.reader(target)
  const events = [...framer.push(bytes), ...framer.end()].flatMap((frame) => [...reader.push(frame)])
  return fold([...events, ...reader.end()])
}

/** Whether the parrot has words for all of it. */
export function isSayable({ choices }: NeutralReply): boolean {
  const [choice] = choices
  return (
    choice?.finish !== 'paused' &&
    choice?.parts.every(
      ({ kind, ...part }) => kind === 'text' || kind === 'reasoning' || (kind === 'tool-call' && !('isCustom' in part)),
    ) === true
  )
}

/** The same kill, with what its client gets of a stream that nobody cuts. */
export async function withExpected(one: Omit<Kill, 'expected' | 'isOrderly'>): Promise<Kill> {
  const world = pathWorld([one.source])
  world.upstream = () => new Response(one.bytes.slice(), { headers: { 'content-type': one.contentType } })
  const text = await ended(world, await asked(world, one.asking))
  return {
    ...one,
    isOrderly: disorderIn(one.asking.client, text) === null,
    expected: expectedOf(clientsReply(one.asking.client, text)),
  }
}

/** Kills the source after so many bytes. It is the same time whenever that is done. */
export async function kill(one: Kill, offset: number, death: Death): Promise<Outcome> {
  vi.setSystemTime(NOW_MS)
  const others = death === '5xx after' ? [{ ...one.heir, id: 'broken', provider: 'broken' }] : []
  const world = pathWorld([one.source, ...others, one.heir])
  const asks = { source: 0, heir: 0 }
  world.upstream = async (call) => {
    if (call.target.id === 'broken') return new Response('{}', { status: 503 })
    const isSource = call.target.id === one.source.id
    const count = (asks[isSource ? 'source' : 'heir'] += 1)
    if (isSource && count === 1) return dying(one, call, offset, death)
    const answer = await (isSource ? (one.again ?? one.answer) : one.answer)(call)
    return death === 'twice' && !isSource && count === 1 ? cutShort(answer, offset) : answer
  }
  const response = await asked(world, one.asking)
  const text = await ended(world, response)
  const events = expectSettled(world)
  const reply = clientsReply(one.asking.client, text)
  const { verdict, detail } = judge(one.asking.client, one, { text, status: response.status, reply })
  const hasHeir = events.some(({ tags }) => tags.includes(CONTINUED_TAG))
  const { expected } = one
  const isTold = isDeepStrictEqual({ ...expectedOf(reply), finish: null }, { ...expected, finish: null })
  return { text, detail, isTold, verdict: verdict === 'whole' && hasHeir ? 'recovered' : verdict }
}

const NOW_MS = 1_760_000_000_000
const encoder = new TextEncoder()
const GARBAGE = encoder.encode('\n\ndata: {"choices":[{"delta":{"content":\n\n')

/** What comes last of a source that dies so. */
export function lastBytes({ source }: Kill, death: Death): Uint8Array {
  if (death === 'garbage') return GARBAGE
  if (death !== 'error') return new Uint8Array()
  const words = FIRST_WORDS[dialects[source.dialect].wire] ?? ''
  return typeof words === 'string' ? encoder.encode(`\n\n${words}`) : new Uint8Array(words)
}

/** The source: so many of its bytes, and then no more of them. */
function dying(one: Kill, call: SentCall, offset: number, death: Death): Response {
  const { bytes, contentType } = one
  const last = lastBytes(one, death)
  const pieces = [bytes.slice(0, offset), last].filter(({ length }) => length > 0)
  const body = new ReadableStream<Uint8Array>({
    start(controller) {
      call.signal.addEventListener('abort', () => controller.error(call.signal.reason))
    },
    async pull(controller) {
      const piece = pieces.shift()
      if (piece !== undefined) controller.enqueue(piece)
      else if (death === 'silence') await new Promise(() => undefined)
      else if (death === 'end') controller.close()
      else controller.error(new Error('connection reset'))
    },
  })
  return new Response(body, { headers: { 'content-type': contentType } })
}

/** The heir dies, too, somewhere. */
async function cutShort(answer: Response, seed: number): Promise<Response> {
  const bytes = new Uint8Array(await answer.arrayBuffer())
  const pieces = [bytes.slice(0, (seed * 7919) % (bytes.length + 1))]
  const body = new ReadableStream<Uint8Array>({
    pull(controller) {
      const piece = pieces.shift()
      if (piece === undefined) controller.error(new Error('connection reset'))
      else if (piece.length > 0) controller.enqueue(piece)
    },
  })
  return new Response(body, { headers: { 'content-type': answer.headers.get('content-type') ?? '' } })
}

/** A recorded stream of a whole reply. */
export type Recording = Fixture & { readonly bytes: Uint8Array }

/** Recorded streams of a wire that tell a whole reply. */
export function recordings(wire: Wire): readonly Recording[] {
  return fixturesOf(wire).flatMap((fixture) => {
    const { bytes } = fixture
    return bytes === null || fixture.reply === null ? [] : [{ ...fixture, bytes }]
  })
}
