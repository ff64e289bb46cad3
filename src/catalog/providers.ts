// The providers we know, as data: one entry each. A provider that speaks a known dialect needs no code. Base URLs end where
// the dialect's own path begins.
import type { AuthScheme, DialectName } from '../core/directory.ts'
import type { JsonObject } from '../core/json.ts'
import type { Quirk } from '../core/quirk.ts'
import { KNOWN_PROVIDERS } from './known-providers.ts'

export interface Provider {
  /** How targets name it. */
  readonly name: string
  readonly title: string
  /** Null: every target gives its own. */
  readonly baseUrl: string | null
  readonly dialect: DialectName
  /** Worker secret that holds the credential unless a target names another; null when none is needed. */
  readonly credential: string | null
  /** Its id in the price catalogue; null when it isn't listed there. */
  readonly priceProvider: string | null
  /** A cheap model for probing a target that passes every model on; null when none is sure to exist. */
  readonly probeModel: string | null
  /** Where the wire format is described. */
  readonly docsUrl: string | null
  /** How the credential is sent, where it isn't the dialect's usual way. */
  readonly auth?: AuthScheme
  /** What its targets have to heed unless they say otherwise. */
  readonly quirks?: readonly Quirk[]
  /** Settings that its targets have unless they say otherwise. */
  readonly settings?: Readonly<Record<string, string>>
  /** Its wire as data, for the `declared` dialect. */
  readonly declared?: JsonObject
}

/** The wire of the simulated in-house server (`wire/declared.ts` tells what its members mean). */
const INHOUSE: JsonObject = {
  body: { turns: '$messages', limit: '$max_tokens', live: '$stream' },
  reply: {
    id: 'ticket',
    text: 'out.text',
    finish: { at: 'state', values: { run: null, done: 'stop', full: 'length' } },
    usage: { input: 'count.in', output: 'count.out' },
    error: { at: 'problem', message: 'problem.text', code: 'problem.kind' },
  },
  stream: { text_is: 'cumulative' },
}

const CATALOGUE = [
  ...KNOWN_PROVIDERS,
  {
    name: 'simulated-openai',
    title: 'Simulated OpenAI',
    baseUrl: 'service://SIMULATED/openai/v1',
    dialect: 'openai-chat',
    credential: 'SIMULATED_API_KEY',
    priceProvider: null,
    probeModel: 'sim-gpt-4o',
    docsUrl: null,
  },
  {
    name: 'simulated-anthropic',
    title: 'Simulated Anthropic',
    baseUrl: 'service://SIMULATED/anthropic/v1',
    dialect: 'anthropic-messages',
    credential: 'SIMULATED_API_KEY',
    priceProvider: null,
    probeModel: 'sim-claude',
    docsUrl: null,
  },
  {
    name: 'simulated-gemini',
    title: 'Simulated Gemini',
    baseUrl: 'service://SIMULATED/gemini/v1beta',
    dialect: 'gemini',
    credential: 'SIMULATED_API_KEY',
    priceProvider: null,
    probeModel: 'sim-gemini',
    docsUrl: null,
  },
  {
    name: 'simulated-bedrock',
    title: 'Simulated Bedrock',
    baseUrl: 'service://SIMULATED/bedrock',
    dialect: 'bedrock-converse',
    credential: 'SIMULATED_API_KEY',
    priceProvider: null,
    probeModel: 'sim-bedrock',
    docsUrl: null,
  },
  {
    name: 'simulated-ollama',
    title: 'Simulated Ollama',
    baseUrl: 'service://SIMULATED/ollama/api',
    dialect: 'ollama',
    credential: 'SIMULATED_API_KEY',
    priceProvider: null,
    probeModel: 'sim-llama',
    docsUrl: null,
  },
  {
    name: 'simulated-cohere',
    title: 'Simulated Cohere',
    baseUrl: 'service://SIMULATED/cohere/v2',
    dialect: 'cohere',
    credential: 'SIMULATED_API_KEY',
    priceProvider: null,
    probeModel: 'sim-command',
    docsUrl: null,
  },
  {
    name: 'simulated-inhouse',
    title: 'Simulated in-house server',
    baseUrl: 'service://SIMULATED/inhouse',
    dialect: 'declared',
    credential: 'SIMULATED_API_KEY',
    priceProvider: null,
    probeModel: 'sim-inhouse',
    docsUrl: null,
    declared: { ...INHOUSE, path: '/models/{model}/answer', framing: 'ndjson' },
  },
  {
    name: 'simulated-socket',
    title: 'Simulated in-house server behind a WebSocket',
    baseUrl: 'service://SIMULATED/inhouse',
    dialect: 'declared',
    credential: 'SIMULATED_API_KEY',
    priceProvider: null,
    probeModel: 'sim-socket',
    docsUrl: null,
    declared: { ...INHOUSE, path: '/models/{model}/socket', framing: 'websocket' },
  },
] as const satisfies readonly Provider[]

/** Every provider, in the order of the catalogue. */
export const PROVIDERS: readonly Provider[] = CATALOGUE

/** The provider of that name; undefined for an unknown one. */
export function findProvider(name: string): Provider | undefined {
  return PROVIDERS.find((provider) => provider.name === name)
}
