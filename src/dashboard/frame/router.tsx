// Which page an address means, and going from one to another without loading anew. Links are links: they open in another
// tab, and the browser's own keys and history work.
import type { ComponentChildren } from 'preact'
import { useEffect, useState } from 'preact/hooks'

export const BASE = '/dashboard/'

export type PageName =
  | 'overview'
  | 'requests'
  | 'playground'
  | 'keys'
  | 'key'
  | 'teams'
  | 'team'
  | 'models'
  | 'routes'
  | 'alerts'
  | 'access'
  | 'audit'
  | 'configuration'
  | 'reference'
  | 'unknown'

export interface Place {
  readonly page: PageName
  /** Of the one thing that the page is about; '' where it isn't about one. */
  readonly id: string
}

/** Pages about no one thing. */
const SINGLE = [
  'requests',
  'playground',
  'models',
  'routes',
  'alerts',
  'access',
  'audit',
  'configuration',
  'reference',
] as const

/** Pages of a list, each with the page of one of it. */
const ONE_OF: Readonly<Record<string, readonly [all: Place, one: PageName]>> = {
  keys: [{ page: 'keys', id: '' }, 'key'],
  teams: [{ page: 'teams', id: '' }, 'team'],
}

/** The page that a path means. */
export function placeOf(path: string): Place {
  const [page = '', id, ...rest] = path
    .replace(/^\/dashboard\/?/, '')
    .replace(/\/$/, '')
    .split('/')
  if (rest.length > 0) return { page: 'unknown', id: '' }
  if (page === '' && id === undefined) return { page: 'overview', id: '' }
  const one = Object.hasOwn(ONE_OF, page) ? ONE_OF[page] : undefined
  if (one !== undefined) return id === undefined ? one[0] : { page: one[1], id: readPart(id) }
  const single = SINGLE.find((name) => name === page)
  if (single !== undefined && id === undefined) return { page: single, id: '' }
  return { page: 'unknown', id: '' }
}

/** The path of a page. */
export function pathOf({ page, id }: Place): string {
  if (page === 'overview' || page === 'unknown') return BASE
  return page === 'key' || page === 'team' ? `${BASE}${page}s/${encodeURIComponent(id)}` : BASE + page
}

/** Goes to another page of the dashboard. */
export function navigate(path: string): void {
  history.pushState(null, '', path)
  dispatchEvent(new PopStateEvent('popstate'))
  scrollTo(0, 0)
}

/** The page that is open. */
export function usePlace(): Place {
  const [path, setPath] = useState(location.pathname)
  useEffect(() => {
    const follow = (): void => setPath(location.pathname)
    addEventListener('popstate', follow)
    return () => removeEventListener('popstate', follow)
  }, [])
  return placeOf(path)
}

interface LinkProps {
  readonly to: string
  readonly class?: string
  readonly isCurrent?: boolean
  readonly title?: string
  readonly children: ComponentChildren
}

/** A link to another page of the dashboard. */
export function Link({ to, isCurrent = false, children, ...rest }: LinkProps) {
  function follow(event: MouseEvent): void {
    if (event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return
    event.preventDefault()
    navigate(to)
  }
  return (
    <a href={to} aria-current={isCurrent ? 'page' : undefined} onClick={follow} {...rest}>
      {children}
    </a>
  )
}

function readPart(part: string): string {
  try {
    return decodeURIComponent(part)
  } catch {
    return part
  }
}
