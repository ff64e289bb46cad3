// What of OTLP is switched on: read from variables and secrets of the usage consumer. A setting that can't be read switches
// nothing off: what remains of it is used, and a line tells.

export interface TelemetryEnv {
  /** Where a collector listens; nothing is sent unless set. `/v1/traces` and `/v1/metrics` are added. */
  readonly OTLP_ENDPOINT?: string
  /** Headers of every request, as `name=value,name=value`; values percent-encoded. A secret. */
  readonly OTLP_HEADERS?: string
  /** Share of traces that are told of, where the client doesn't say; 100 unless set. */
  readonly OTLP_SAMPLE_PERCENT?: string
  /** `traces`, `metrics`, or both with a comma; both unless set. */
  readonly OTLP_SIGNALS?: string
}

export interface OtlpSettings {
  readonly endpoint: string
  readonly headers: Readonly<Record<string, string>>
  readonly samplePercent: number
  readonly signals: ReadonlySet<'traces' | 'metrics'>
  /** Names of settings that couldn't be read as they are. */
  readonly problems: readonly string[]
}

const HEADERS_MAX = 32
const HEADER = /^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,256}$/
const SIGNALS = ['traces', 'metrics'] as const

/** The settings; null where OTLP is off, or its address is none. */
export function otlpSettings(env: TelemetryEnv): OtlpSettings | null {
  const { OTLP_ENDPOINT: endpoint = '' } = env
  if (endpoint === '') return null
  const problems: string[] = []
  if (!/^https?:$/.test(URL.parse(endpoint)?.protocol ?? '')) problems.push('OTLP_ENDPOINT')
  const percent = Number(env.OTLP_SAMPLE_PERCENT ?? 100)
  const isPercent = env.OTLP_SAMPLE_PERCENT !== '' && percent >= 0 && percent <= 100
  if (!isPercent) problems.push('OTLP_SAMPLE_PERCENT')
  const asked = (env.OTLP_SIGNALS ?? '').split(',').map((name) => name.trim())
  const named = SIGNALS.filter((signal) => asked.includes(signal))
  if (named.length === 0 && (env.OTLP_SIGNALS ?? '') !== '') problems.push('OTLP_SIGNALS')
  const headers = readHeaders(env.OTLP_HEADERS ?? '')
  if (headers === null) problems.push('OTLP_HEADERS')
  return {
    endpoint: endpoint.replace(/\/+$/, ''),
    headers: headers ?? {},
    samplePercent: isPercent ? percent : 100,
    signals: new Set(named.length === 0 ? SIGNALS : named),
    problems,
  }
}

/** As in OTEL_EXPORTER_OTLP_HEADERS; null for what isn't that. */
function readHeaders(text: string): Readonly<Record<string, string>> | null {
  const headers: Record<string, string> = {}
  const pairs = text.split(',').filter((pair) => pair.trim() !== '')
  if (pairs.length > HEADERS_MAX) return null
  for (const pair of pairs) {
    const at = pair.indexOf('=')
    const name = pair.slice(0, Math.max(at, 0)).trim()
    const value = decoded(pair.slice(at + 1).trim())
    if (!HEADER.test(name) || value === null || !/^[\t\x20-\x7e]*$/.test(value)) return null
    headers[name.toLowerCase()] = value
  }
  return headers
}

function decoded(text: string): string | null {
  try {
    return decodeURIComponent(text)
  } catch {
    return null
  }
}
