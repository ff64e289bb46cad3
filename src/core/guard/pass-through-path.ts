// Where a passed-through path leads: always on the host of a registered target, and never out of what the target's own address
// is bound to. Pure, and separate because it is the whole defence of the credential that goes along.
import { type Result, err, ok } from '../result.ts'

/** `v1`, `v1beta`, `v4`: from such a segment on a path is the provider's own. */
const VERSION = /^v\d+[a-z0-9]*$/
const ADDRESS = /^([a-z]+:\/\/[^/]+)(\/.*)?$/
/** A step up or down the path, or an end to it, however it is written. */
const STEP = /(?:^|[/\\])\.{1,2}(?:[/\\;]|$)|[\\\0\r\n]/

export interface PassedPath {
  /** Address to be called, without a trailing slash. */
  readonly baseUrl: string
  /** Path below it. */
  readonly path: string
  /** What is asked for there: the path without the address's own part and without a version at its beginning, or after
   *  `/openai`. */
  readonly operation: string
  /** The version that the path, or else the address, names; null for none. */
  readonly version: string | null
}

/**
 * Address and path for `path` (as a URL parser gives it, beginning with a slash) on the target at `baseUrl`. A path that
 * repeats the address's own path, or its version, goes on from there; any other goes below the whole address. An address
 * with a scope behind its version (a project, an account) is never left. The error says what is wrong with the path.
 */
export function passedPath(baseUrl: string, path: string): Result<PassedPath, string> {
  const address = ADDRESS.exec(baseUrl)
  if (address === null) return err('the target has no address that can be passed through to')
  if (!isPlain(path)) return err('the path has steps in it')
  const [, origin = '', own = ''] = address
  const segments = own.split('/')
  const at = segments.findIndex((segment) => VERSION.test(segment))
  const version = segments[at] ?? null
  if (own !== '' && (path === own || path.startsWith(`${own}/`))) {
    return ok({ baseUrl: origin, path, operation: path.slice(own.length), version })
  }
  const isScoped = at !== -1 && segments.slice(at + 1).some((segment) => segment !== 'openai')
  const steps = path.split('/')
  const named = steps.slice(0, 3).findIndex((segment) => VERSION.test(segment))
  if (named === -1 || isScoped) return ok({ baseUrl, path, operation: path, version })
  // Taken out only where it can be nothing else: `/model/v1/…` may be a model of that name.
  const isVersion = named === 1 || steps[1] === 'openai'
  const operation = isVersion ? [...steps.slice(0, named), ...steps.slice(named + 1)].join('/') : path
  const below = at === -1 ? baseUrl : origin + segments.slice(0, at).join('/')
  return ok({ baseUrl: below, path, operation, version: steps[named] ?? null })
}

/** True for a path without steps, also when it is decoded, and decoded again. */
function isPlain(path: string): boolean {
  let text = path
  for (let round = 0; round < 3; round += 1) {
    if (STEP.test(text)) return false
    try {
      text = decodeURIComponent(text)
    } catch {
      return false
    }
  }
  return true
}
