// Which requests the explorer looks for. The choice lives in the address, so that a reload or a shared link finds the same. Pure.

export const OUTCOME_OPTIONS = [
  { value: '', text: 'Any outcome' },
  { value: 'ok', text: 'Finished' },
  { value: 'failed', text: 'Failed or refused' },
  { value: 'cut', text: 'Cut off' },
  { value: 'cached', text: 'From the cache' },
] as const

/** All parts are texts; '' for any. `from` and `to` as a control for date and time has them. */
export interface RequestFilter {
  readonly tenant: string
  readonly key: string
  readonly model: string
  readonly provider: string
  readonly outcome: string
  readonly tag: string
  readonly request: string
  readonly from: string
  readonly to: string
}

export const NO_FILTER: RequestFilter = {
  tenant: '',
  key: '',
  model: '',
  provider: '',
  outcome: '',
  tag: '',
  request: '',
  from: '',
  to: '',
}

/** The filter that an address asks for. */
export function readFilter(hash: string): RequestFilter {
  const asked = new URLSearchParams(hash.replace(/^#/, ''))
  const text = (name: keyof RequestFilter): string => (asked.get(name) ?? '').slice(0, 200)
  return {
    tenant: text('tenant'),
    key: text('key'),
    model: text('model'),
    provider: text('provider'),
    outcome: OUTCOME_OPTIONS.find(({ value }) => value === text('outcome'))?.value ?? '',
    tag: text('tag'),
    request: text('request'),
    from: text('from'),
    to: text('to'),
  }
}

/** The address of a filter. */
export function writeFilter(filter: RequestFilter): string {
  return `#${new URLSearchParams(Object.entries(filter).filter(([, value]) => value.trim() !== ''))}`
}

/** The filter as the API is asked; an instant that is none is left out. */
export function queryOf(filter: RequestFilter): URLSearchParams {
  const query = new URLSearchParams()
  for (const [name, value] of Object.entries(filter)) {
    const text = value.trim()
    if (text === '') continue
    const isInstant = name === 'from' || name === 'to'
    const atMs = isInstant ? new Date(text).getTime() : 0
    if (!Number.isNaN(atMs)) query.set(name, isInstant ? String(atMs) : text)
  }
  return query
}
