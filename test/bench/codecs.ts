// `npm run bench:codecs`: what translating a stream costs beside reading and parsing it, pair by pair, in this process.
// Both sides see the same bytes in the same chunks, in turns; a figure is the median over the rounds. CPU, not clock.
import { createFramer } from '../../src/data-plane/framing/index.ts'
import { translatedLane } from '../../src/data-plane/lane.ts'
import type { Dialect } from '../../src/dialects/dialect.ts'
import { dialects, protocols } from '../support/registries.ts'
import type { Protocol, ReplyContext } from '../../src/protocols/protocol.ts'
import { TARGET } from '../support/target.ts'
import { median } from './statistics.ts'
import { STREAMS } from './streams.ts'

/** Translated CPU over parsed CPU that is aimed at. */
const AIM = 1.5
const ROUNDS = 15
const DELTAS = 1000
/** Streams a turn: long enough for a clock of microseconds, short enough to take turns often. */
const REPEATS = 20
const CHUNK_BYTES = 1400

const CONTEXT: ReplyContext = { id: 'reply', createdSeconds: 1, model: 'model', wantsUsage: true, request: {} }

function chunksOf(bytes: Uint8Array): readonly Uint8Array[] {
  const chunks: Uint8Array[] = []
  for (let at = 0; at < bytes.length; at += CHUNK_BYTES) chunks.push(bytes.subarray(at, at + CHUNK_BYTES))
  return chunks
}

/** Reads a stream as a client of the provider would: cut into messages, each parsed. */
function parse(dialect: Dialect, chunks: readonly Uint8Array[]): number {
  const framer = createFramer(null, dialect.framing)
  let messages = 0
  for (const chunk of chunks) for (const frame of framer.push(chunk)) messages += parsed(frame.data)
  for (const frame of framer.end()) messages += parsed(frame.data)
  return messages
}

function parsed(data: string): number {
  if (data === '' || data === '[DONE]') return 0
  return JSON.parse(data) === null ? 0 : 1
}

function translate(dialect: Dialect, protocol: Protocol, chunks: readonly Uint8Array[]): number {
  const lane = translatedLane(
    createFramer(null, dialect.framing),
    dialect.reader(TARGET),
    protocol.writer(CONTEXT),
    false,
  )
  let characters = 0
  for (const chunk of chunks) {
    const step = lane.push(chunk)
    if (step.failure !== null) throw new Error(`${dialect.name}: ${step.failure.message}`)
    characters += step.out?.length ?? 0
  }
  return characters + (lane.end().out?.length ?? 0)
}

function cpuMs(work: () => number): number {
  const before = process.cpuUsage()
  let seen = 0
  for (let i = 0; i < REPEATS; i++) seen += work()
  const { user, system } = process.cpuUsage(before)
  if (seen === 0) throw new Error('nothing was read')
  return (user + system) / 1000 / REPEATS
}

function measure(dialect: Dialect, protocol: Protocol, bytes: Uint8Array): { parsedMs: number; ratio: number } {
  const chunks = chunksOf(bytes)
  const samples: { readonly parsedMs: number; readonly ratio: number }[] = []
  for (let round = -3; round < ROUNDS; round++) {
    const isParsedFirst = round % 2 === 0
    const first = isParsedFirst ? cpuMs(() => parse(dialect, chunks)) : 0
    const translatedMs = cpuMs(() => translate(dialect, protocol, chunks))
    const parsedMs = isParsedFirst ? first : cpuMs(() => parse(dialect, chunks))
    if (round >= 0) samples.push({ parsedMs, ratio: translatedMs / parsedMs })
  }
  return { parsedMs: median(samples.map((s) => s.parsedMs)), ratio: median(samples.map((s) => s.ratio)) }
}

console.log(`CPU of translating ${DELTAS} deltas, as a multiple of reading and parsing the same stream (aim: ${AIM})\n`)
const columns = Object.values(protocols)
console.log(`| dialect | parsed, ms | ${columns.map((protocol) => protocol.name).join(' | ')} |`)
console.log(`|---|--:|${columns.map(() => '--:|').join('')}`)
for (const dialect of Object.values(dialects)) {
  const stream = STREAMS[dialect.name]
  if (stream === undefined) continue
  const bytes = stream(DELTAS)
  const results = columns.map((protocol) => measure(dialect, protocol, bytes))
  const cells = results.map(({ ratio }) => `${ratio.toFixed(2)}${ratio > AIM ? ' ✗' : ''}`)
  console.log(`| ${dialect.name} | ${results[0]?.parsedMs.toFixed(2)} | ${cells.join(' | ')} |`)
}
