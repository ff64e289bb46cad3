// Calls providers: address and credential come together here and nowhere else. A target may be an HTTP endpoint or, as
// `service://NAME/path`, another Worker bound to this one.
import type { DialectName, Target } from '../core/directory.ts'
import { dialects } from '../dialects/index.ts'
import type { OutgoingCall, Upstream } from '../ports.ts'

const SERVICE = 'service://'

/** The deployment lacks something that a target needs. The message may be shown to a client: it names no secret's value. */
export class ConfigurationError extends Error {
  override readonly name = 'ConfigurationError'
}

/** What a Worker's environment offers: secrets by name, services by name. */
export type Bindings = Readonly<Record<string, unknown>>

/** The upstream port over `fetch` and service bindings. */
export function fetchUpstream(bindings: Bindings): Upstream {
  return {
    call(target, call, dialect, signal) {
      const init = { ...methodAndBody(call), headers: headers(target, call, dialect, bindings), signal }
      if (!target.baseUrl.startsWith(SERVICE)) return fetch(target.baseUrl + call.path, { ...init, redirect: 'manual' })
      const { name, path } = serviceAddress(target.baseUrl)
      return service(bindings, name).fetch(`https://${name.toLowerCase()}.internal/${path}${call.path}`, init)
    },
  }
}

const BODILESS = /^(?:GET|HEAD)$/

function methodAndBody(call: OutgoingCall): { method: string; body: string | ArrayBuffer | ReadableStream | null } {
  const method = call.method ?? 'POST'
  if (BODILESS.test(method)) return { method, body: null }
  if (call.stream === undefined) return { method, body: call.body }
  const length = call.streamBytes ?? null
  // Many servers refuse a form in chunks: a body of known length says so.
  const body = length === null ? call.stream : call.stream.pipeThrough(new FixedLengthStream(length))
  return { method, body }
}

function headers(target: Target, call: OutgoingCall, dialect: DialectName, bindings: Bindings): Record<string, string> {
  const all: Record<string, string> = { ...call.headers, 'accept-encoding': 'identity', 'user-agent': 'tidegate' }
  if (target.credential === null) return all
  const secret = bindings[target.credential]
  if (typeof secret !== 'string' || secret === '') {
    throw new ConfigurationError(`The gateway has no secret named ${target.credential}.`)
  }
  if ((target.auth ?? dialects[dialect].auth) === 'x-api-key') all['x-api-key'] = secret
  else all['authorization'] = `Bearer ${secret}`
  return all
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
