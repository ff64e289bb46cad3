// Where a target may point. An address typed into the admin API must not reach the deployment's own network, a cloud's
// metadata service or another Worker than those meant for it, and must not carry a credential of its own. Separate
// because it is the whole defence against server-side request forgery and is tested as such. Pure: takes an address that
// was parsed by the caller.
import { parseIpv4, parseIpv6 } from './ip-address.ts'
import { err, ok, type Result } from '../result.ts'

/** The parts of a URL, named as in the WHATWG standard (`protocol` ends with a colon, an IPv6 host has brackets). */
export interface ParsedEndpoint {
  readonly protocol: string
  readonly username: string
  readonly password: string
  readonly hostname: string
  readonly port: string
  readonly pathname: string
  readonly search: string
  readonly hash: string
}

export interface EndpointPolicy {
  /** Lets targets be on private addresses and plain http. Never in production. */
  readonly allowPrivate: boolean
  /** Service bindings that `service://NAME/…` may name. */
  readonly services: readonly string[]
  /** Bindings of Workers AI that `ai://NAME` may name; none unless given. */
  readonly ai?: readonly string[]
}

const SERVICE_NAME = /^[A-Z][A-Z0-9_]{0,63}$/
const PRIVATE_SUFFIXES = [
  'localhost',
  'local',
  'internal',
  'localdomain',
  'lan',
  'home',
  'corp',
  'intranet',
  'home.arpa',
]

/** Whether a target may have this address; if not, why, in words that say what is allowed. Never throws. */
export function checkEndpoint(endpoint: ParsedEndpoint, policy: EndpointPolicy): Result<null, string> {
  if (endpoint.username !== '' || endpoint.password !== '') {
    return err('must not contain a user name or password: name a credential instead')
  }
  if (endpoint.search !== '' || endpoint.hash !== '') return err('must not have a query or a fragment')
  if (endpoint.protocol === 'service:') return checkService(endpoint, policy)
  if (endpoint.protocol === 'ai:') return checkAi(endpoint, policy)
  if (endpoint.hostname === '') return err('must name a host')
  if (policy.allowPrivate)
    return isWebProtocol(endpoint.protocol) ? ok(null) : err('must begin with https:// or http://')
  if (endpoint.protocol !== 'https:') return err('must begin with https://')
  const refusal = hostRefusal(endpoint.hostname)
  return refusal === null ? ok(null) : err(refusal)
}

function isWebProtocol(protocol: string): boolean {
  return protocol === 'https:' || protocol === 'http:'
}

function checkService(endpoint: ParsedEndpoint, policy: EndpointPolicy): Result<null, string> {
  const allowed = policy.services.length === 0 ? 'none is configured here' : `allowed: ${policy.services.join(', ')}`
  const isKnown = SERVICE_NAME.test(endpoint.hostname) && policy.services.includes(endpoint.hostname)
  if (!isKnown) return err(`must name a service binding that targets may use (${allowed})`)
  return endpoint.port === '' ? ok(null) : err('must not have a port: a service binding has none')
}

function checkAi(endpoint: ParsedEndpoint, { ai = [] }: EndpointPolicy): Result<null, string> {
  const isKnown = ai.includes(endpoint.hostname) && endpoint.port === '' && /^\/?$/.test(endpoint.pathname)
  return isKnown ? ok(null) : err('must name an AI binding of this Worker and nothing else, such as ai://AI')
}

function hostRefusal(hostname: string): string | null {
  const host = hostname.toLowerCase().replace(/\.$/, '')
  if (host.startsWith('[')) return ipv6Refusal(host)
  const ipv4 = parseIpv4(host)
  if (ipv4 === 'invalid') return 'must name a host by a valid name or address'
  if (ipv4 !== null) return isPublicIpv4(ipv4) ? null : PRIVATE_ADDRESS
  if (!host.includes('.')) return 'must name a public host: names without a dot are private'
  const suffix = PRIVATE_SUFFIXES.find((name) => host === name || host.endsWith(`.${name}`))
  return suffix === undefined ? null : `must name a public host: .${suffix} names are private`
}

const PRIVATE_ADDRESS = 'must be a public address: private, loopback, link-local and reserved ranges are refused'

function ipv6Refusal(host: string): string | null {
  const groups = parseIpv6(host.slice(1, -1))
  if (groups === null || !host.endsWith(']')) return 'must name a host by a valid name or address'
  return isPublicIpv6(groups) ? null : PRIVATE_ADDRESS
}

/** First address and prefix length of every range that isn't for the public internet (IANA special-purpose registry,
 *  read 2026-11-21), and 168.63.129.16, a cloud's host service on an otherwise public address. */
const CLOSED_IPV4: readonly (readonly [number, number])[] = [
  [0x00000000, 8],
  [0x0a000000, 8],
  [0x64400000, 10],
  [0x7f000000, 8],
  [0xa83f8110, 32],
  [0xa9fe0000, 16],
  [0xac100000, 12],
  [0xc0000000, 24],
  [0xc0000200, 24],
  [0xc0586300, 24],
  [0xc0a80000, 16],
  [0xc6120000, 15],
  [0xc6336400, 24],
  [0xcb007100, 24],
  [0xe0000000, 4],
  [0xf0000000, 4],
]

function isPublicIpv4(address: number): boolean {
  return CLOSED_IPV4.every(([start, bits]) => {
    const size = 2 ** (32 - bits)
    return address < start || address >= start + size
  })
}

/** Only global unicast (2000::/3) is public; of it, not the ranges for protocols, documentation and tunnels, whose
 *  embedded IPv4 address could be anything. Mapped and translated addresses lie outside it altogether. */
function isPublicIpv6(groups: readonly number[]): boolean {
  const [first = 0, second = 0] = groups
  if (first < 0x2000 || first > 0x3fff) return false
  if (first === 0x2001 && (second < 0x0200 || second === 0x0db8)) return false
  if (first === 0x2002) return false
  return !(first === 0x3fff && second < 0x1000)
}
