// Calls providers: address and credential come together here and nowhere else. A target may be an HTTP endpoint or, as
// `service://NAME/path`, another Worker bound to this one, or `ai://NAME`, Workers AI bound to this one.
import type { AuthScheme, Target } from '../core/directory.ts'
import { late } from '../core/late.ts'
import { dialects } from '../dialects/index.ts'
import type { Log, OutgoingCall, Upstream } from '../ports.ts'

const SERVICE = 'service://'
const AI_SCHEME = 'ai://'

/** The deployment lacks something that a target needs. The message may be shown to a client: it names no secret's value. */
export class ConfigurationError extends Error {
  override readonly name = 'ConfigurationError'
}

/** What a Worker's environment offers: secrets by name, services by name. */
export type Bindings = Readonly<Record<string, unknown>>

/** The upstream port over `fetch` and service bindings. `log` hears of credentials that can't be used. */
export function fetchUpstream(bindings: Bindings, log?: Log): Upstream {
  return {
    call(target, call, dialect, signal) {
      if (target.baseUrl.startsWith(AI_SCHEME)) return runOnBinding(target, call, bindings, signal)
      const outgoing = prepare(target, call, bindings, signal)
      const secret = secretOf(target, bindings, log)
      const scheme = target.auth ?? dialects.get(dialect).auth
      if (typeof secret !== 'object') return sendWith(secret, scheme, { outgoing, target, bindings })
      if (secret === null) return send(outgoing)
      return secret.then((got) => sendWith(got, scheme, { outgoing, target, bindings }))
    },
    async objection(target) {
      try {
        if (!target.baseUrl.startsWith(AI_SCHEME)) await secretOf(target, bindings)
        return null
      } catch (error) {
        // Names are the operator's.
        if (error instanceof ConfigurationError) return 'The secret that the target’s credential stands for is not set.'
        return error instanceof Error ? error.message : String(error)
      }
    },
  }
}

interface Sending {
  readonly outgoing: Prepared
  readonly target: Target
  readonly bindings: Bindings
}

/** Sends a call as the credential's scheme has it. */
function sendWith(secret: string, scheme: AuthScheme, { outgoing, target, bindings }: Sending): Promise<Response> {
  const { headers } = outgoing.init
  switch (scheme) {
    case 'none':
      return send(outgoing)
    case 'bearer':
      headers['authorization'] = `Bearer ${secret}`
      return send(outgoing)
    case 'x-api-key':
    case 'api-key':
    case 'x-goog-api-key':
      headers[scheme] = secret
      return send(outgoing)
    case 'aws-sigv4':
      return signed(outgoing, target, secret)
    case 'google-service-account':
      return withToken(outgoing, secret, bindings)
  }
}

type Body = string | ArrayBuffer | ReadableStream | null

/** A call with its address, short of its credential. */
interface Prepared {
  readonly url: string
  /** Null: over the network. */
  readonly service: Fetcher | null
  readonly isWebSocket: boolean
  readonly init: {
    readonly method: string
    readonly body: Body
    readonly headers: Record<string, string>
    readonly signal: AbortSignal
  }
}

function prepare(target: Target, call: OutgoingCall, bindings: Bindings, signal: AbortSignal): Prepared {
  const headers = { ...call.headers, 'accept-encoding': 'identity', 'user-agent': 'tidegate' }
  const { method, body } = methodAndBody(call)
  const init = { method, body, headers, signal }
  const isWebSocket = call.isWebSocket === true
  if (!target.baseUrl.startsWith(SERVICE)) return { url: target.baseUrl + call.path, service: null, isWebSocket, init }
  const { name, path } = serviceAddress(target.baseUrl)
  const url = `https://${name.toLowerCase()}.internal/${path}${call.path}`
  return { url, service: service(bindings, name), isWebSocket, init }
}

function send(outgoing: Prepared): Promise<Response> {
  const { url, service: binding, isWebSocket, init } = outgoing
  if (isWebSocket) return sendOnSocket(outgoing)
  const manual = { ...init, redirect: 'manual' } as const
  return binding === null ? fetch(url, manual) : binding.fetch(url, manual)
}

/** Sockets are rare too. */
async function sendOnSocket(outgoing: Prepared): Promise<Response> {
  const { answerOf, upgradeHeaders } = await import('./websocket.ts')
  const { headers, body, signal } = outgoing.init
  const init = { method: 'GET', body: null, headers: upgradeHeaders(headers), signal }
  const response = await send({ ...outgoing, isWebSocket: false, init })
  return answerOf(response, typeof body === 'string' ? body : '', signal)
}

/** Workers AI by a binding of this Worker: neither an address nor a credential. */
async function runOnBinding(
  target: Target,
  call: OutgoingCall,
  bindings: Bindings,
  signal: AbortSignal,
): Promise<Response> {
  const name = target.baseUrl.slice(AI_SCHEME.length)
  const { isAiBinding, runBinding } = await import('./workers-ai.ts')
  const binding = bindings[name]
  if (!isAiBinding(binding)) throw new ConfigurationError(`The gateway has no AI binding named ${name}.`)
  return runBinding(binding, call.path, typeof call.body === 'string' ? call.body : '', signal)
}

const holding = late(() => import('./held-credentials.ts'))

/** The credential: at once where it is a secret of the Worker, or was needed before. */
function secretOf(target: Target, bindings: Bindings, log?: Log): string | null | Promise<string> {
  const { credential: name, held } = target
  if (name === null) return null
  const where = held?.[name]
  const secret = where === undefined ? bindings[name] : 'secret' in where ? bindings[where.secret] : undefined
  if (typeof secret === 'string' && secret !== '') return secret
  if (where === undefined && typeof secret !== 'object') {
    throw new ConfigurationError(`The gateway has no secret named ${name}.`)
  }
  return holding.now()?.knownSecret(name, where, bindings, Date.now()) ?? gotSecret(target, name, bindings, log)
}

async function gotSecret(target: Target, name: string, bindings: Bindings, log?: Log): Promise<string> {
  try {
    const { getSecret } = await holding.load()
    return await getSecret(name, target.held?.[name], bindings, Date.now())
  } catch (error) {
    const problem = error instanceof Error ? error.message : String(error)
    log?.warn('credential-unusable', { target: target.id, credential: name, problem })
    throw error
  }
}

/** Signing schemes are rare: what they need is loaded when somebody needs it. */
async function signed(outgoing: Prepared, target: Target, credential: string): Promise<Response> {
  const { signingHeaders } = await import('./auth/sigv4.ts')
  const { method, body } = outgoing.init
  if (body instanceof ReadableStream) throw new ConfigurationError('A body that is streamed cannot be signed.')
  const region = target.settings?.['region'] ?? null
  const call = { method, url: outgoing.url, body: body ?? '', credential, region, nowMs: Date.now() }
  Object.assign(outgoing.init.headers, await signingHeaders(call))
  return send(outgoing)
}

async function withToken(outgoing: Prepared, credential: string, bindings: Bindings): Promise<Response> {
  const { accessToken } = await import('./auth/google-service-account.ts')
  const allowPrivate = bindings['ALLOW_PRIVATE_ENDPOINTS'] === 'true'
  const token = await accessToken(credential, { allowPrivate, nowMs: Date.now })
  outgoing.init.headers['authorization'] = `Bearer ${token}`
  return send(outgoing)
}

const BODILESS = /^(?:GET|HEAD)$/

function methodAndBody(call: OutgoingCall): { method: string; body: Body } {
  const method = call.method ?? 'POST'
  if (BODILESS.test(method)) return { method, body: null }
  if (call.stream === undefined) return { method, body: call.body === '' ? null : call.body }
  const length = call.streamBytes ?? null
  // Many servers refuse a form in chunks: a body of known length says so.
  const body = length === null ? call.stream : call.stream.pipeThrough(new FixedLengthStream(length))
  return { method, body }
}

function serviceAddress(baseUrl: string): { readonly name: string; readonly path: string } {
  const rest = baseUrl.slice(SERVICE.length)
  const slash = rest.indexOf('/')
  return slash === -1 ? { name: rest, path: '' } : { name: rest.slice(0, slash), path: rest.slice(slash + 1) }
}

function service(bindings: Bindings, name: string): Fetcher {
  const binding = bindings[name]
  if (isFetcher(binding)) return binding
  throw new ConfigurationError(`The gateway has no service binding named ${name}.`)
}

function isFetcher(value: unknown): value is Fetcher {
  return typeof value === 'object' && value !== null && 'fetch' in value
}
