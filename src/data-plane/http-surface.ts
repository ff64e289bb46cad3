// What holds for every address: whose error shape it speaks, and which pages of other origins may read its answers.
import type { ProtocolName } from '../core/directory.ts'
import type { Failure } from '../core/failure.ts'
import type { Services } from '../ports.ts'
import { failGoogle, failGoogleInStream } from '../protocols/google-failure.ts'
import { PROTOCOL_PLACES, protocols } from '../protocols/index.ts'
import type { Speaker } from '../protocols/protocol.ts'
import { authenticate } from './authenticate.ts'

const GOOGLE: Omit<Speaker, 'name'> = { fail: failGoogle, failInStream: failGoogleInStream }

/** Who phrases a failure at this path: the protocol whose endpoint it is, or whose wire the provider named there speaks;
 *  the chat protocol where there is none, or it can't be loaded, since most clients read that. */
export async function speakerAt(path: string): Promise<Omit<Speaker, 'name'>> {
  const own = protocols.names.find((name) => isWithin(path, PROTOCOL_PLACES[name].endpoint))
  if (own !== undefined) return loaded(own)
  return speakerOf(await wireOfProvider(path.split('/')[1] ?? ''))
}

/** Who phrases a failure for clients of a wire, by the same rule. */
export async function speakerOf(wire: string | null): Promise<Omit<Speaker, 'name'>> {
  if (wire === 'gemini') return GOOGLE
  return loaded(protocols.names.find((name) => PROTOCOL_PLACES[name].wire === wire))
}

async function loaded(name: ProtocolName | undefined): Promise<Omit<Speaker, 'name'>> {
  const chat = protocols.get('chat')
  if (name === undefined) return chat
  return protocols
    .of(name)
    .load()
    .catch(() => chat)
}

function isWithin(path: string, endpoint: string): boolean {
  return path === endpoint || path.startsWith(`${endpoint}/`)
}

async function wireOfProvider(name: string): Promise<string | null> {
  if (name === 'v1') return null
  const { findProvider } = await import('../catalog/providers.ts')
  return findProvider(name)?.dialect ?? null
}

/** A failure at `path`, outside any exchange. */
export async function failAt(path: string, failure: Failure, requestId: string): Promise<Response> {
  const speaker = await speakerAt(path)
  const { status, headers, body } = speaker.fail(failure, requestId)
  const ids = { 'x-request-id': requestId, 'x-tidegate-request-id': requestId }
  return Response.json(body, { status, headers: { ...ids, ...headers } })
}

/** The answer to a question for what is allowed here. */
export function allows(methods: string): Response {
  return new Response(null, { status: 204, headers: { allow: methods } })
}

/** `CORS_ORIGINS`: origins whose pages may read our answers, separated by commas. `*` is every origin; `tenants` lets every
 *  origin ask, and leaves it to each tenant's own list which of them gets to read the answer. */
export function parseOrigins(setting: string | undefined): readonly string[] {
  return (setting ?? '').split(',').flatMap((origin) => origin.trim().replace(/\/$/, '') || [])
}

/** Every method that a provider may be asked by. */
export const METHODS = 'GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS'
const EXPOSED = [
  'request-id',
  'retry-after',
  'retry-after-ms',
  'x-request-id',
  'x-should-retry',
  'x-trace-id',
  'age',
  'content-disposition',
]
const OWN_HEADERS = /^(?:x-tidegate|x-ratelimit|anthropic-ratelimit)-/
const PREFLIGHT_SECONDS = '7200'

/** A preflight's answer; null where this is none, or its origin may not ask. It has no key, so none is asked for. */
export function preflight(request: Request, origin: string, allowed: readonly string[]): Response | null {
  if (request.method !== 'OPTIONS' || !request.headers.has('access-control-request-method')) return null
  if (!isAmong(origin, allowed) && !allowed.includes('tenants')) return null
  const asked = request.headers.get('access-control-request-headers')
  return new Response(null, {
    status: 204,
    headers: {
      'access-control-allow-origin': origin,
      'access-control-allow-methods': METHODS,
      ...(asked === null ? {} : { 'access-control-allow-headers': asked }),
      'access-control-max-age': PREFLIGHT_SECONDS,
      vary: 'origin, access-control-request-headers',
    },
  })
}

/** `response` for a page of `origin`: readable there where the deployment or the key's tenant allows it. */
export async function acrossOrigins(
  request: Request,
  response: Response,
  origin: string,
  { allowed, services }: { readonly allowed: readonly string[]; readonly services: Services },
): Promise<Response> {
  const isReadable = isAmong(origin, allowed) || (await isTenants(request, origin, services))
  const result = new Response(response.body, response)
  result.headers.append('vary', 'origin')
  if (!isReadable) return result
  const own = [...response.headers.keys()].filter((name) => OWN_HEADERS.test(name))
  result.headers.set('access-control-allow-origin', origin)
  result.headers.set('access-control-expose-headers', [...EXPOSED, ...own].join(', '))
  return result
}

async function isTenants(request: Request, origin: string, services: Services): Promise<boolean> {
  const caller = await authenticate(request.headers, services)
  return caller.ok && isAmong(origin, caller.value.corsOrigins ?? [])
}

function isAmong(origin: string, allowed: readonly string[]): boolean {
  return allowed.includes('*') || allowed.includes(origin)
}
