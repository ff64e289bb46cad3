// What of a passed-through request's headers and query goes to the provider: everything but what names the client, its key, its
// connection, or an account with the provider that isn't the client's to choose.

/** Never sent on: connection, forwarding, credentials of every scheme, accounts, another method than the one that was allowed,
 *  and what is meant for us. */
const WITHHELD =
  /^(?:host|connection|keep-alive|proxy-.*|te|trailer|transfer-encoding|upgrade|content-length|accept-encoding|expect|cookie|authorization|x-api-key|api-key|x-goog-api-key|x-goog-user-project|x-goog-iam-.*|x-amz-.*|openai-organization|openai-project|forwarded|via|x-forwarded-.*|x-real-ip|true-client-ip|cf-.*|cdn-loop|origin|referer|sec-.*|user-agent|x-tidegate-.*|traceparent|tracestate|x-trace-id|x-request-id|x-http-method.*|x-method-override)$/i

/** Query members that carry a credential. */
const WITHHELD_QUERY = new Set(['key', 'api_key', 'api-key', 'access_token'])

/** What a client has to know of a passed-through reply besides its type. What tells of our account stays here. */
export const FORWARDED: readonly string[] = [
  'content-language',
  'content-range',
  'accept-ranges',
  'cache-control',
  'expires',
  'etag',
  'last-modified',
  'retry-after',
  'retry-after-ms',
  'x-should-retry',
  'x-goog-upload-status',
  'x-goog-upload-chunk-granularity',
]

/** Where a redirect leads: to the provider by way of this gateway, `name` being how the client named it; or elsewhere as the
 *  provider says. Null for none. `calledUrl` is the address that was called. */
export function passedLocation(location: string | null, calledUrl: string, name: string): string | null {
  const called = URL.parse(calledUrl.replace(/^service:/, 'http:'))
  const to = location === null ? null : URL.parse(location, called?.href)
  if (location === null || called === null || to === null) return location
  const isTheirs = to.origin === called.origin || (calledUrl.startsWith('service:') && to.host.endsWith('.internal'))
  return isTheirs ? `/${name}${to.pathname}${passedQuery(to)}${to.hash}` : location
}

/** The headers that go on. */
export function passedHeaders(headers: Headers): Readonly<Record<string, string>> {
  const passed: Record<string, string> = {}
  headers.forEach((value, name) => {
    if (!WITHHELD.test(name)) passed[name] = value
  })
  return passed
}

/** The query that goes on, with its question mark; empty for none. Kept as it was written. */
export function passedQuery(url: URL): string {
  const kept = url.search
    .slice(1)
    .split('&')
    .filter((member) => member !== '' && !WITHHELD_QUERY.has(nameOf(member)))
  return kept.length === 0 ? '' : `?${kept.join('&')}`
}

/** The headers that authenticate, also for a client that puts its key in the query. */
export function keyOf({ headers }: Request, url: URL): Headers {
  const key = url.searchParams.get('key')
  if (key === null || headers.has('authorization') || headers.has('x-goog-api-key')) return headers
  return new Headers({ authorization: `Bearer ${key}` })
}

function nameOf(member: string): string {
  const [name = ''] = member.split('=')
  try {
    return decodeURIComponent(name.replaceAll('+', ' ')).toLowerCase()
  } catch {
    return name
  }
}
