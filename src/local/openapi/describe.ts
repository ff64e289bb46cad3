// The gateway's API as OpenAPI 3.1: endpoints as the admin API's router has them, who may call them as the table of permissions
// says, what they take as their schemas check it.
import * as z from 'zod/mini'
import { PROVIDERS } from '../../catalog/providers.ts'
import { createAdmin } from '../../control-plane/admin.ts'
import { isTagged } from '../../control-plane/http/etag.ts'
import { permissionOf } from '../../control-plane/access/permissions.ts'
import { PROVIDER } from '../../control-plane/schemas.ts'
import { type Taken, takenBy } from '../../control-plane/http/validate.ts'
import { dataPlanePaths } from './data-plane.ts'
import { ERROR_SCHEMA, refusalsOf } from './errors.ts'
import { AREAS, type AnswerKind, EXTRA_QUERY, WORDS } from './words.ts'

/** An endpoint of the admin API's router. */
export interface Endpoint {
  readonly method: string
  /** As the router has it. */
  readonly path: string
  readonly taken: readonly Taken[]
}

/** Every endpoint that the router has, once. */
export function endpointsOfRouter(): readonly Endpoint[] {
  const admin = createAdmin({ probe: () => Promise.reject(new Error('nothing is called here')) })
  const found = new Map<string, Endpoint>()
  for (const { method, path, handler } of admin.routes) {
    if (method === 'ALL') continue
    const name = `${method} ${path}`
    const before = found.get(name)?.taken ?? []
    const taken = takenBy(handler)
    found.set(name, { method, path, taken: taken === null ? before : [...before, taken] })
  }
  return [...found.values()]
}

/** The description, of the admin API and in brief of the data plane. Throws for an endpoint without words. */
export function describeApi(): Readonly<Record<string, unknown>> {
  const paths: Record<string, Record<string, object>> = {}
  const shared: Record<string, unknown> = {}
  for (const endpoint of endpointsOfRouter()) {
    const path = `/admin${templateOf(endpoint.path)}`
    paths[path] = { ...paths[path], [endpoint.method.toLowerCase()]: operationOf(endpoint, shared) }
  }
  return {
    openapi: '3.1.1',
    info: {
      title: 'Tidegate',
      version: '1',
      description: ABOUT,
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
    },
    servers: [{ url: '/', description: 'The gateway that serves this description.' }],
    tags: [...new Set([...Object.values(AREAS), 'Data plane'])].map((name) => ({ name })),
    security: [{ token: [] }, { session: [], csrf: [] }],
    paths: { ...paths, ...dataPlanePaths() },
    components: {
      schemas: { Error: ERROR_SCHEMA, ...shared },
      securitySchemes: {
        token: { type: 'http', scheme: 'bearer', description: 'ADMIN_TOKEN, or an API token (`tgt_…`).' },
        session: { type: 'apiKey', in: 'cookie', name: '__Host-tidegate-session', description: 'Of the dashboard.' },
        csrf: { type: 'apiKey', in: 'header', name: 'x-tidegate-csrf', description: 'With every change by a session.' },
        virtualKey: { type: 'http', scheme: 'bearer', description: 'A virtual key; `x-api-key` is taken as well.' },
      },
    },
  }
}

const ABOUT = `Every refusal of the admin API is \`{error: {message, field, code}}\`; fields that aren't known are refused.

**Lists** take \`limit\` and \`cursor\` and answer \`{rows, next}\`: \`next\` is the cursor of the page after, null where there is none.

**ETag**: a single thing is read with one; PUT, PATCH and DELETE with it as \`If-Match\` change only what is still that, else 412.

**Idempotency-Key** on any POST: sent again within 24 hours, the request isn't done again but answered as before, with
\`idempotent-replayed: true\`, secrets included: the answer is kept encrypted under a key that needs the header's own value. Use one that
can't be guessed, such as a UUID. Refused requests let go of their key; another request under it is 422, one while the first is under way 409.

**Bulk**: \`POST /admin/configuration/apply\` makes up to 500 changes in one transaction.`

function templateOf(path: string): string {
  return path.replace(/:(\w+)(?:\{[^}]*\})?/g, '{$1}')
}

function operationOf({ method, path, taken }: Endpoint, shared: Record<string, unknown>): object {
  const name = `${method} ${path}`
  const told = WORDS[name]
  const area = AREAS[path.split('/')[1] ?? '']
  if (told === undefined || area === undefined) throw new Error(`${name} has no words in openapi/words.ts`)
  const asked = permissionOf(name)
  const id = `${method.toLowerCase()}${templateOf(path)
    .replace(/[{}]/g, '')
    .replace(/[^A-Za-z0-9]+/g, '-')}`
  const body = taken.find(({ from }) => from === 'json')
  const parameters = [
    ...pathParameters(path),
    ...queryParameters({ name, id }, taken, shared),
    ...headerParameters(method, path),
  ]
  const isTold = method === 'GET' && isTagged(path)
  const refusals = refusalsOf({
    isOpen: asked === 'open',
    isChange: method !== 'GET',
    isPost: method === 'POST',
    hasBody: body !== undefined,
    hasQuery: taken.some(({ from }) => from === 'query'),
    isNamed: path.includes(':'),
    isTagged: isTagged(path),
  })
  return {
    tags: [area],
    operationId: id,
    summary: told.says,
    ...(asked === 'open'
      ? { security: [], description: 'Open: before anybody has signed in.' }
      : {
          description: `Takes the role ${asked.least}${asked.reach === 'everything' ? ' of the whole deployment' : ''}, or more.`,
          'x-tidegate-role': asked.least,
          'x-tidegate-reach': asked.reach,
        }),
    ...(parameters.length === 0 ? {} : { parameters }),
    ...(body === undefined
      ? {}
      : { requestBody: { required: true, content: { 'application/json': { schema: schemaOf(body, id, shared) } } } }),
    responses: { ...answerOf(told.answers, isTold), ...refusals },
  }
}

function pathParameters(path: string): readonly object[] {
  return [...path.matchAll(/:(\w+)(?:\{([^}]*)\})?/g)].map(([, name, pattern]) => {
    const isChoice = pattern !== undefined && /^\w+(?:\|\w+)+$/.test(pattern)
    const schema = { type: 'string', ...(isChoice ? { enum: pattern.split('|') } : {}) }
    return { name, in: 'path', required: true, schema }
  })
}

function queryParameters(
  { name: endpoint, id }: { readonly name: string; readonly id: string },
  taken: readonly Taken[],
  shared: Record<string, unknown>,
): readonly object[] {
  const checked = taken
    .filter(({ from }) => from === 'query')
    .flatMap((one) => {
      const { properties = {}, required = [] } = schemaOf(one, id, shared)
      return Object.entries(properties).map(([name, schema]) => ({
        ...{ name, in: 'query', required: required.includes(name), schema },
        ...(name === 'before' ? { deprecated: true, description: 'The older name of `cursor`.' } : {}),
      }))
    })
  const read = Object.entries(EXTRA_QUERY[endpoint] ?? {}).map(([name, description]) => ({
    ...{ name, in: 'query', required: false, schema: { type: 'string' }, description },
  }))
  return [...checked, ...read]
}

function headerParameters(method: string, path: string): readonly object[] {
  if (method === 'POST') {
    const description =
      'Sent again with the same, within 24 hours, the request isn’t done again but answered as before.'
    const schema = { type: 'string', minLength: 1, maxLength: 255, pattern: '^[\\x21-\\x7e]+$' }
    return [{ name: 'Idempotency-Key', in: 'header', required: false, schema, description }]
  }
  if (method === 'GET' || !isTagged(path)) return []
  const description = 'The ETag of what was read: another by now is 412.'
  return [{ name: 'If-Match', in: 'header', required: false, schema: { type: 'string' }, description }]
}

const ROWS = {
  type: 'object',
  required: ['rows', 'next'],
  properties: {
    rows: { type: 'array', items: { type: 'object' } },
    next: { type: ['string', 'null'], description: 'The `cursor` of the page after; null where there is none.' },
  },
}
const ANSWERS: Readonly<Record<AnswerKind, readonly [number, string, object | null]>> = {
  object: [200, 'Done.', { type: 'object' }],
  page: [200, 'A page.', ROWS],
  made: [201, 'Made.', { type: 'object' }],
  begun: [202, 'Begun.', { type: 'object' }],
  done: [204, 'Done.', null],
  away: [303, 'Leads elsewhere.', null],
  socket: [101, 'The socket, which says `{"v":1,"changed":[…]}`.', null],
  table: [200, 'The rows.', { type: 'object' }],
}

function answerOf(kind: AnswerKind, isTagTold: boolean): Readonly<Record<string, object>> {
  const [status, description, schema] = ANSWERS[kind]
  const other = { schema: { type: 'string' } }
  const forms = kind === 'table' ? { 'text/csv': other, 'application/x-ndjson': other } : {}
  const headers = isTagTold ? { headers: { ETag: { schema: { type: 'string' }, description: 'For `If-Match`.' } } } : {}
  const content = schema === null ? {} : { content: { 'application/json': { schema }, ...forms } }
  return { [status]: { description, ...headers, ...content } }
}

interface Told {
  readonly properties?: Readonly<Record<string, unknown>>
  readonly required?: readonly string[]
}

/** A schema with every bound of it: what JSON schema can't say stands in words, as the refusal would. What it uses several times
 *  goes among `shared`, under names that begin with `name`. */
function schemaOf({ schema }: Taken, name: string, shared: Record<string, unknown>): Told {
  const { $schema: _, ...told } = z.toJSONSchema(schema, {
    io: 'input',
    unrepresentable: 'any',
    reused: 'ref',
    override: ({ zodSchema, jsonSchema }) => {
      if (zodSchema === PROVIDER) jsonSchema.enum = PROVIDERS.map(({ name: provider }) => provider)
      const allowed = allowedBy(zodSchema._zod.def)
      if (allowed !== null) jsonSchema.description = allowed
    },
  })
  const text = JSON.stringify(told).replaceAll('"#/$defs/__', `"#/components/schemas/${name}-`)
  const parsed: Told & { readonly $defs?: Readonly<Record<string, unknown>> } = JSON.parse(text)
  const { $defs = {}, ...own } = parsed
  for (const [inner, defined] of Object.entries($defs)) shared[`${name}-${inner.replace(/^__/, '')}`] = defined
  return own
}

/** What a schema says of a wrong value; null where that is nothing of its own. */
function allowedBy(def: object): string | null {
  const checks: unknown = Reflect.get(def, 'checks')
  const own = Array.isArray(checks) ? checks.flatMap((check: unknown) => innerDefs(check)) : []
  for (const one of [def, ...own]) {
    const error: unknown = Reflect.get(one, 'error')
    const told: unknown = typeof error === 'function' ? Reflect.apply(error, undefined, [{}]) : undefined
    const message = typeof told === 'object' && told !== null ? Reflect.get(told, 'message') : told
    if (typeof message === 'string' && message.startsWith('must ')) return message
  }
  return null
}

function innerDefs(check: unknown): readonly object[] {
  const inner: unknown = typeof check === 'object' && check !== null ? Reflect.get(check, '_zod') : null
  const def: unknown = typeof inner === 'object' && inner !== null ? Reflect.get(inner, 'def') : null
  return typeof def === 'object' && def !== null ? [def] : []
}
