// `npm run bench:codecs`: what translating a stream costs beside reading and parsing it, pair by pair, in this process.
// Both sides see the same bytes in the same chunks, in turns; a figure is the median over the rounds. CPU, not clock.
// `-- tgi` for the rows whose name holds this.
import { framerFor } from '../../src/data-plane/framing/index.ts'
import { translatedLane } from '../../src/data-plane/answer/lane.ts'
import type { Dialect } from '../../src/dialects/dialect.ts'
import type { Protocol, ReplyContext } from '../../src/protocols/protocol.ts'
import type { Target } from '../../src/core/directory.ts'
import { dialects, protocols } from '../support/registries.ts'
import { median } from './statistics.ts'
import { STREAMS, type BenchStream } from './streams.ts'

/** Translated CPU over parsed CPU that is aimed at. */
const AIM = 1.5
const ROUNDS = 15
const DELTAS = 1000
/** Streams a turn: long enough for a clock of microseconds, short enough to take turns often. */
const REPEATS = 20
const CHUNK_BYTES = 1400

const [, , only = ''] = process.argv

const CONTEXT: ReplyContext = { id: 'reply', createdSeconds: 1, model: 'model', wantsUsage: true, request: {} }

interface Reading {
  readonly dialect: Dialect
  readonly target: Target
}

function chunksOf(bytes: Uint8Array): readonly Uint8Array[] {
  const chunks: Uint8Array[] = []
  for (let at = 0; at < bytes.length; at += CHUNK_BYTES) chunks.push(bytes.subarray(at, at + CHUNK_BYTES))
  return chunks
}

/** Reads a stream as a client of the provider would: cut into messages, each parsed. */
function parse({ dialect, target }: Reading, chunks: readonly Uint8Array[]): number {
  const framer = framerFor(dialect, target, null)
  let messages = 0
  for (const chunk of chunks) for (const frame of framer.push(chunk)) messages += parsed(frame.data)
  for (const frame of framer.end()) messages += parsed(frame.data)
  return messages
}

function parsed(data: string): number {
  if (data === '' || data === '[DONE]') return 0
  return JSON.parse(data) === null ? 0 : 1
}

function translate({ dialect, target }: Reading, protocol: Protocol, chunks: readonly Uint8Array[]): number {
  const lane = translatedLane(framerFor(dialect, target, null), dialect.reader(target), protocol.writer(CONTEXT), {
    collects: false,
  })
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

function measure(reading: Reading, protocol: Protocol, bytes: Uint8Array): { parsedMs: number; ratio: number } {
  const chunks = chunksOf(bytes)
  const samples: { readonly parsedMs: number; readonly ratio: number }[] = []
  for (let round = -3; round < ROUNDS; round++) {
    const isParsedFirst = round % 2 === 0
    const first = isParsedFirst ? cpuMs(() => parse(reading, chunks)) : 0
    const translatedMs = cpuMs(() => translate(reading, protocol, chunks))
    const parsedMs = isParsedFirst ? first : cpuMs(() => parse(reading, chunks))
    if (round >= 0) samples.push({ parsedMs, ratio: translatedMs / parsedMs })
  }
  return { parsedMs: median(samples.map((s) => s.parsedMs)), ratio: median(samples.map((s) => s.ratio)) }
}

function row(stream: BenchStream): string {
  const { target, says, bytes } = stream
  const dialect = dialects[stream.dialect]
  const results = columns.map((protocol) => measure({ dialect, target }, protocol, bytes(DELTAS)))
  const cells = results.map(({ ratio }) => `${ratio.toFixed(2)}${ratio > AIM ? ' ✗' : ''}`)
  return `| ${dialect.name}: ${says} | ${results[0]?.parsedMs.toFixed(2)} | ${cells.join(' | ')} |`
}

console.log(`CPU of translating ${DELTAS} deltas, as a multiple of reading and parsing the same stream (aim: ${AIM})\n`)
const columns = Object.values(protocols)
console.log(`| dialect | parsed, ms | ${columns.map((protocol) => protocol.name).join(' | ')} |`)
console.log(`|---|--:|${columns.map(() => '--:|').join('')}`)
for (const stream of STREAMS) if (`${stream.dialect}: ${stream.says}`.includes(only)) console.log(row(stream))
