// A provider that answers with recorded exchanges, byte for byte, in the recorded chunks, at whatever path a dialect asks
// for; and the targets that call it, registered as an operator would. Which exchange is meant travels in the model's name.
import { generateKeyPairSync } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { setImmediate } from 'node:timers/promises'
import { type RawProvider, sent, startRawProvider } from '../support/raw-provider.ts'
import type { Exchange } from './exchanges.ts'
import { readingOf } from './readers.ts'
import { vectorsDialect } from './vectors.ts'

/** What a target needs besides its id and its model, and what its calls have to look like. */
export interface Wire {
  readonly dialect: string
  readonly settings: Readonly<Record<string, string>> | null
  readonly root: string
  readonly auth: string | null
  readonly credential: string
  /** Of the address's path, behind the root. */
  readonly path: RegExp
  readonly header: readonly [name: string, value: RegExp]
}

/** Secrets of the system whose targets call the stand-in at `url`. */
export function standInSecrets(url: string): Readonly<Record<string, string>> {
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
  const account = {
    client_email: 'lamp@tide.iam.gserviceaccount.com',
    private_key: privateKey.export({ type: 'pkcs8', format: 'pem' }),
    token_uri: `${new URL(url).origin}/token`,
  }
  return {
    TIDE_API_KEY: 'tide-secret',
    TIDE_ACCESS_KEY: 'AKIDTIDE:tide-secret',
    TIDE_CREDENTIALS: JSON.stringify(account),
  }
}

const BEARER = {
  auth: 'bearer',
  credential: 'TIDE_API_KEY',
  header: ['authorization', /^Bearer tide-secret$/],
} as const
const GOOGLE = { auth: null, credential: 'TIDE_API_KEY', header: ['x-goog-api-key', /^tide-secret$/] } as const
const ACCOUNT = {
  auth: 'google-service-account',
  credential: 'TIDE_CREDENTIALS',
  header: ['authorization', /^Bearer token-of-the-account$/],
} as const
const SIGNED = {
  auth: 'aws-sigv4',
  credential: 'TIDE_ACCESS_KEY',
  header: ['authorization', /^AWS4-HMAC-SHA256 Credential=AKIDTIDE\/\d{8}\/eu-west-1\/bedrock\/aws4_request, /],
} as const
const VERTEX_ROOT = '/v1/projects/tide/locations/eu'

/** How an exchange is called; null where no dialect reads it. */
export function wireOf(exchange: Exchange): Wire | null {
  const { api, provider } = exchange
  const vectors = vectorsDialect(api)
  const reading = vectors === null ? readingOf(exchange) : null
  if (typeof reading === 'string') return null
  const dialect = vectors ?? reading?.dialect.name ?? ''
  const settings = reading?.target.settings ?? (provider === 'vertex' ? { host: 'vertex' } : null)
  const isVertex = settings?.['host'] === 'vertex'
  const base = { dialect, settings }
  switch (dialect) {
    case 'gemini': {
      const [root, models] = isVertex ? [VERTEX_ROOT, '/publishers/google/models/'] : ['/v1beta', '/models/']
      const action = vectors !== null ? ':embedContent' : ':(?:generateContent|streamGenerateContent\\?alt=sse)'
      return { ...base, root, path: new RegExp(`^${models}[^/:?]+${action}$`), ...(isVertex ? ACCOUNT : GOOGLE) }
    }
    case 'bedrock-converse':
      return {
        ...base,
        settings: { region: 'eu-west-1' },
        root: '',
        path: /^\/model\/[^/?]+\/converse(?:-stream)?$/,
        ...SIGNED,
      }
    case 'anthropic-messages':
      return anthropic(base, settings?.['host'] ?? 'anthropic')
    case 'cohere':
      return { ...base, root: '', path: vectors === null ? /^\/v2\/chat$/ : /^\/v2\/embed$/, ...BEARER }
    case 'ollama':
      return { ...base, root: '/api', path: vectors === null ? /^\/chat$/ : /^\/embed$/, ...BEARER }
    case 'tgi':
      // The wire names no model, so that the address has to.
      return { ...base, root: `/~${exchange.id}~`, path: /^\/generate(?:_stream)?$/, ...BEARER }
    default:
      return { ...base, root: '/v1', path: OPENAI_PATHS[api] ?? /^$/, ...openaiAuth(provider) }
  }
}

const OPENAI_PATHS: Readonly<Record<string, RegExp>> = {
  'openai.chat': /^\/chat\/completions$/,
  'openai.responses': /^\/responses$/,
  'openai.completions': /^\/completions$/,
  'openai.embeddings': /^\/embeddings$/,
}

function openaiAuth(provider: string) {
  return provider === 'azure' ? { ...BEARER, auth: 'api-key', header: ['api-key', /^tide-secret$/] as const } : BEARER
}

function anthropic(base: Pick<Wire, 'dialect' | 'settings'>, host: string): Wire {
  if (host === 'vertex') {
    const path = /^\/publishers\/anthropic\/models\/[^/:?]+:(?:rawPredict|streamRawPredict)$/
    return { ...base, root: VERTEX_ROOT, path, ...ACCOUNT }
  }
  if (host === 'bedrock') {
    const path = /^\/model\/[^/?]+\/invoke(?:-with-response-stream)?$/
    return { ...base, settings: { host, region: 'eu-west-1' }, root: '', path, ...SIGNED }
  }
  const key = { auth: null, credential: 'TIDE_API_KEY', header: ['x-api-key', /^tide-secret$/] } as const
  return { ...base, root: '/v1', path: /^\/messages$/, ...key }
}

/** A target for any model, by the admin API. Its price is the same for every kind of input, and of output. */
export function targetFor(id: string, wire: Wire, provider: StandIn) {
  return {
    id,
    provider: 'custom',
    model: '*',
    dialect: wire.dialect,
    base_url: new URL(provider.url).origin + wire.root,
    credential: wire.credential,
    ...(wire.auth === null ? {} : { auth: wire.auth }),
    ...(wire.settings === null ? {} : { settings: wire.settings }),
    max_retries: 0,
    price: { input_usd_per_million: '1', output_usd_per_million: '2' },
  }
}

export interface StandIn extends RawProvider {
  /** How often an exchange was asked for. */
  callsOf(id: string): number
  /** What was wrong with calls for an exchange. */
  objectionsTo(id: string): readonly string[]
}

/** Serves these exchanges. */
export async function startStandIn(exchanges: readonly Exchange[]): Promise<StandIn> {
  const byId = new Map(exchanges.map((exchange) => [exchange.id, exchange]))
  const calls = new Map<string, number>()
  const objections = new Map<string, readonly string[]>()
  const provider = await startRawProvider(async (response, body, request) => {
    if (request.url === '/token') {
      const answer = JSON.stringify({ access_token: 'token-of-the-account', expires_in: 3600, token_type: 'Bearer' })
      return void response.writeHead(200, { 'content-type': 'application/json' }).end(answer)
    }
    const named = /~([^~"/]+?)~/
    const id = (named.exec(decodeURIComponent(request.url ?? '')) ?? named.exec(body))?.[1] ?? ''
    calls.set(id, (calls.get(id) ?? 0) + 1)
    const exchange = byId.get(id)
    if (exchange === undefined) return void response.writeHead(404).end('{}')
    objections.set(id, [...(objections.get(id) ?? []), ...objectionsIn(request, body, exchange)])
    await play(exchange, response)
  })
  return Object.assign(provider, {
    callsOf: (id: string) => calls.get(id) ?? 0,
    objectionsTo: (id: string) => objections.get(id) ?? [],
  })
}

function objectionsIn(request: IncomingMessage, body: string, exchange: Exchange): readonly string[] {
  const wire = wireOf(exchange)
  if (wire === null) return ['a call on no known wire']
  const url = request.url ?? ''
  const [name, value] = wire.header
  const isStreaming = /stream/i.test(url) || /"stream":true/.test(body)
  return [
    ...(request.method === 'POST' ? [] : [`method ${request.method}`]),
    ...(url.startsWith(wire.root) && wire.path.test(url.slice(wire.root.length)) ? [] : [`path ${url}`]),
    ...(value.test(String(request.headers[name])) ? [] : [`${name}: ${String(request.headers[name])}`]),
    ...(isStreaming === exchange.isStreamed ? [] : [`streams: ${isStreaming}`]),
  ]
}

async function play(exchange: Exchange, response: ServerResponse): Promise<void> {
  response.writeHead(exchange.status, headersOf(exchange))
  for (const chunk of recordedChunks(exchange)) {
    await sent(response, chunk)
    if (exchange.chunkLengths.length > 0) await setImmediate()
  }
  response.end()
}

/** In the recorded lengths; where there are none, in lengths that end anywhere. */
function recordedChunks({ bytes, chunkLengths }: Exchange): readonly Uint8Array[] {
  const lengths = chunkLengths.length > 0 ? chunkLengths : [1, 2, 3, 5, 8, 13, 21, 34, 55, 89, 1024]
  const chunks: Uint8Array[] = []
  for (let at = 0; at < bytes.length;) {
    const length = Math.max(1, lengths[chunks.length % lengths.length] ?? 1)
    chunks.push(bytes.subarray(at, at + length))
    at += length
  }
  return chunks
}

/** Headers that belong to the recorded connection and not to the response. */
const HOP_HEADERS = /^(?:content-length|content-encoding|transfer-encoding|connection|keep-alive|x-orig-.*)$/

function headersOf(exchange: Exchange): Record<string, string> {
  const kept = Object.entries(exchange.headers).filter(([name]) => !HOP_HEADERS.test(name))
  return { 'content-type': exchange.isStreamed ? 'text/event-stream' : 'application/json', ...Object.fromEntries(kept) }
}
