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
  /** For models that name their vendor (`amazon.nova-pro-v1:0`): the one whose models alone this entry is for, and the
   *  provider that all others are reached through. */
  readonly onlyVendor?: { readonly vendor: string; readonly others: string }
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

/** A model of Bedrock's: `vendor.model`, behind the regions of an inference profile. Other names, ARNs among them, say nothing
 *  of their vendor. https://docs.aws.amazon.com/bedrock/latest/userguide/inference-profiles-support.html */
const VENDOR = /^(?:(?:us|eu|ap|apac|au|ca|jp|sa|us-gov|global)\.)?([a-z][a-z0-9]*)\.[a-z]/

/** Why a model can't be reached through this provider's entry; null where nothing speaks against it. */
export function modelObjection({ name, onlyVendor }: Provider, model: string): string | null {
  const vendor = onlyVendor === undefined ? undefined : VENDOR.exec(model)?.[1]
  if (onlyVendor === undefined || vendor === undefined || vendor === onlyVendor.vendor) return null
  return `is none of ${onlyVendor.vendor}'s, which alone ${name} is for: use the provider ${onlyVendor.others}`
}

/** The provider of that name; undefined for an unknown one. */
export function findProvider(name: string): Provider | undefined {
  return PROVIDERS.find((provider) => provider.name === name)
}
