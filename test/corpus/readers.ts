// Which dialect reads which recorded API, and how: every recorded exchange has one, or is named here as having none.
import { findProvider } from '../../src/catalog/providers.ts'
import { fold } from '../../src/core/reply/fold.ts'
import { parseJson } from '../../src/core/json.ts'
import type { NeutralEvent, NeutralReply } from '../../src/core/neutral.ts'
import type { Target } from '../../src/core/directory.ts'
import { createFramer } from '../../src/data-plane/framing/index.ts'
import type { Dialect, Frame } from '../../src/dialects/dialect.ts'
import { dialects } from '../support/registries.ts'
import { TARGET } from '../support/target.ts'
import type { Exchange } from './exchanges.ts'

/** A dialect, set up for the exchange's provider. */
export interface Reading {
  readonly dialect: Dialect
  readonly target: Target
}

const DIALECT_OF: Readonly<Record<string, string>> = {
  'openai.chat': 'openai-chat',
  'openai.responses': 'openai-responses',
  'openai.completions': 'openai-completions',
  'anthropic.messages': 'anthropic-messages',
  'bedrock.invoke': 'anthropic-messages',
  'bedrock.converse': 'bedrock-converse',
  'gemini.generateContent': 'gemini',
  'cohere.v1.chat': 'cohere',
  'cohere.v2.chat': 'cohere',
  'ollama.chat': 'ollama',
  'ollama.generate': 'ollama',
  'tgi.generate': 'tgi',
}

/** The dialect for an exchange; a string that says why there is none. */
export function readingOf(exchange: Exchange): Reading | string {
  const name = DIALECT_OF[exchange.api]
  if (name === undefined) return 'no conversation: not read by a dialect'
  if (exchange.api === 'bedrock.invoke' && !/anthropic|claude/.test(exchange.url + exchange.model)) {
    return "a model's own format under bedrock's invoke: passed through"
  }
  const dialect = Object.values(dialects).find((candidate) => candidate.name === name)
  if (dialect === undefined) return `no dialect named ${name}`
  const host = exchange.api === 'bedrock.invoke' ? 'bedrock' : exchange.provider === 'vertex' ? 'vertex' : null
  const settings = host === null ? {} : { settings: { host } }
  const quirks = exchange.provider === 'vercel-gateway' ? (findProvider('vercel')?.quirks ?? []) : []
  return { dialect, target: { ...TARGET, dialect: dialect.name, model: exchange.model, quirks, ...settings } }
}

/** The events of an exchange, its stream cut as given. */
export function eventsOf(
  { dialect, target }: Reading,
  exchange: Exchange,
  chunks: readonly Uint8Array[],
): readonly NeutralEvent[] {
  if (!exchange.isStreamed) return dialect.read(parseJson(exchange.body) ?? null, target)
  const framer = createFramer(exchange.headers['content-type'] ?? null, dialect.framing)
  const frames: Frame[] = chunks.flatMap((chunk) => [...framer.push(chunk)])
  const reader = dialect.reader(target)
  const events = [...frames, ...framer.end()].flatMap((frame) => reader.push(frame))
  return [...events, ...reader.end()]
}

/** The reply of an exchange. */
export function replyOf(reading: Reading, exchange: Exchange): NeutralReply {
  return fold(eventsOf(reading, exchange, [exchange.bytes]))
}
