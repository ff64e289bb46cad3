// The description of the API, as far as the reference reads it: its endpoints by area, and what each takes, in lines.

/** A schema, as far as it is told. */
export interface ApiSchema {
  readonly $ref?: string
  readonly type?: string | readonly string[]
  readonly description?: string
  readonly enum?: readonly unknown[]
  readonly const?: unknown
  readonly minimum?: number
  readonly maximum?: number
  readonly maxLength?: number
  readonly maxItems?: number
  readonly required?: readonly string[]
  readonly properties?: Readonly<Record<string, ApiSchema>>
  readonly items?: ApiSchema
  readonly anyOf?: readonly ApiSchema[]
  readonly oneOf?: readonly ApiSchema[]
}

interface ApiOperation {
  readonly tags: readonly string[]
  readonly operationId: string
  readonly summary: string
  readonly description?: string
  readonly security?: readonly Readonly<Record<string, unknown>>[]
  readonly parameters?: readonly ApiParameter[]
  readonly requestBody?: { readonly content: Readonly<Record<string, { readonly schema: ApiSchema }>> }
  readonly responses: Readonly<Record<string, { readonly description: string }>>
}

export interface ApiParameter {
  readonly name: string
  readonly in: string
  readonly required?: boolean
  readonly description?: string
  readonly schema: ApiSchema
}

export interface ApiDescription {
  readonly info: { readonly description?: string }
  readonly tags: readonly { readonly name: string }[]
  readonly paths: Readonly<Record<string, Readonly<Record<string, ApiOperation>>>>
  readonly components: { readonly schemas: Readonly<Record<string, ApiSchema>> }
}

export interface Endpoint extends ApiOperation {
  readonly method: string
  readonly path: string
}

/** Endpoints by area, in the description's order, those whose words all stand in what is looked for. */
export function areasOf(
  description: ApiDescription,
  sought: string,
): readonly { readonly name: string; readonly endpoints: readonly Endpoint[] }[] {
  const words = sought.toLowerCase().split(/\s+/)
  const all = Object.entries(description.paths).flatMap(([path, operations]) =>
    Object.entries(operations).map(([method, operation]) => ({ ...operation, path, method: method.toUpperCase() })),
  )
  const found = all.filter((endpoint) => {
    const text = [endpoint.method, endpoint.path, endpoint.summary, ...endpoint.tags].join(' ').toLowerCase()
    return words.every((word) => text.includes(word))
  })
  return description.tags.flatMap(({ name }) => {
    const endpoints = found.filter(({ tags }) => tags.includes(name))
    return endpoints.length === 0 ? [] : [{ name, endpoints }]
  })
}

/** A field of a body, by its path, with what it may be. */
export interface Field {
  readonly name: string
  readonly isRequired: boolean
  readonly allowed: string
}

const DEPTH_MAX = 4

/** The fields of a schema, those within others behind them. */
export function fieldsOf(schema: ApiSchema, description: ApiDescription, within = '', depth = 0): readonly Field[] {
  const told = resolved(schema, description)
  const choices = (told.anyOf ?? told.oneOf ?? []).map((one) => resolved(one, description))
  const inner = [told, ...choices]
  const fields = inner.flatMap(({ properties = {}, required = [] }) =>
    Object.entries(properties).flatMap(([name, one]) => {
      const path = within === '' ? name : `${within}.${name}`
      const own = { name: path, isRequired: required.includes(name), allowed: allowedText(one, description) }
      const item = itemOf(one, description)
      return depth >= DEPTH_MAX
        ? [own]
        : [own, ...fieldsOf(item ?? one, description, item === null ? path : `${path}[]`, depth + 1)]
    }),
  )
  const byName = Map.groupBy(fields, ({ name }) => name)
  return [...byName].map(([name, same]) => ({
    name,
    isRequired: same.every(({ isRequired }) => isRequired),
    allowed: [...new Set(same.map(({ allowed }) => allowed))].join(', or '),
  }))
}

function itemOf(schema: ApiSchema, description: ApiDescription): ApiSchema | null {
  const told = resolved(schema, description)
  const list = [told, ...(told.anyOf ?? []).map((one) => resolved(one, description))].find(
    (one) => one.items !== undefined,
  )
  return list?.items ?? null
}

/** What a value may be, in words. */
export function allowedText(schema: ApiSchema, description: ApiDescription): string {
  const told = resolved(schema, description)
  if (told.description !== undefined) return told.description.replace(/^must be /, '')
  if (told.enum !== undefined) return told.enum.map(String).join(', ')
  if (told.const !== undefined) return String(told.const)
  const choices = told.anyOf ?? told.oneOf
  if (choices !== undefined) {
    const texts = [...new Set(choices.map((one) => allowedText(one, description)))]
    const isNullTold = texts.some((text) => text.startsWith('null or '))
    return texts.filter((text) => text !== 'null' || !isNullTold).join(', or ')
  }
  return typeof told.type === 'string' ? told.type : (told.type ?? ['anything']).join(' or ')
}

/** What a reference means; those of the description mean no other reference. */
function resolved(schema: ApiSchema, { components }: ApiDescription): ApiSchema {
  const name = schema.$ref?.replace('#/components/schemas/', '')
  const found = name === undefined ? undefined : components.schemas[name]
  return found ?? schema
}

/** A call as one writes it in a shell. */
export function curlOf(endpoint: Endpoint, description: ApiDescription, origin: string): string {
  const query = (endpoint.parameters ?? []).filter((one) => one.in === 'query' && one.required === true)
  const search = query.map(({ name }) => `${name}=<${name}>`).join('&')
  const path = endpoint.path.replace(/\{(\w+)\}/g, '<$1>') + (search === '' ? '' : `?${search}`)
  const schema = endpoint.requestBody?.content['application/json']?.schema
  const needed =
    schema === undefined
      ? []
      : fieldsOf(schema, description).filter(({ name, isRequired }) => isRequired && !/[.[]/.test(name))
  const body = JSON.stringify(Object.fromEntries(needed.map(({ name }) => [name, `<${name}>`])))
  const isOpen = endpoint.security?.length === 0
  const token = endpoint.path.startsWith('/admin/') ? '$TIDEGATE_TOKEN' : '$TIDEGATE_KEY'
  return [
    `curl${endpoint.method === 'GET' ? '' : ` -X ${endpoint.method}`} '${origin}${path}'`,
    ...(isOpen ? [] : [`-H "Authorization: Bearer ${token}"`]),
    ...(schema === undefined ? [] : [`-H 'Content-Type: application/json'`, `-d '${body}'`]),
  ].join(' \\\n  ')
}
