// The description of the API against what the gateway has: the same endpoints, the same bounds, every code of every refusal.
import { readFileSync, readdirSync } from 'node:fs'
import { Ajv2020 } from 'ajv/dist/2020.js'
import { describe, expect, it } from 'vitest'
import { createAdmin } from '../../src/control-plane/admin.ts'
import { type ApiDescription, areasOf, curlOf, fieldsOf } from '../../src/dashboard/reference/reference-data.ts'
import { describeApi } from '../../src/local/openapi/describe.ts'
import { CODES } from '../../src/local/openapi/errors.ts'
import { WORDS } from '../../src/local/openapi/words.ts'

interface Operation {
  readonly 'x-tidegate-role'?: string
  readonly parameters?: readonly { readonly name: string }[]
  readonly requestBody?: { readonly content: { readonly 'application/json': { readonly schema: object } } }
  readonly responses: Readonly<Record<string, unknown>>
}
interface Description {
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>
  readonly components: { readonly schemas: Readonly<Record<string, unknown>> }
}

const described: Description = JSON.parse(JSON.stringify(describeApi()))
const admin = createAdmin({ probe: () => Promise.reject(new Error('none')) })
const endpoints = [
  ...new Set(admin.routes.filter(({ method }) => method !== 'ALL').map(({ method, path }) => `${method} ${path}`)),
]
const plain = (endpoint: string) => endpoint.replace(/:(\w+)(\{[^}]*\})?/g, '{$1}').replace(' ', ' /admin')

describe('the reference', () => {
  const description: ApiDescription = JSON.parse(JSON.stringify(describeApi()))
  const found = (sought: string) => areasOf(description, sought).flatMap(({ endpoints: of }) => of)
  const named = (method: string, path: string) => found(path).find((one) => one.method === method && one.path === path)

  it('has every endpoint in an area, and finds those that have all the words', () => {
    const all = Object.values(description.paths).flatMap((operations) => Object.keys(operations))
    expect(found('')).toHaveLength(all.length)
    expect(found('POST keys revoke').map(({ path }) => path)).toEqual(['/admin/keys/{id}/revoke'])
    expect(found('nothing like it')).toEqual([])
  })

  it('tells the fields of a body, those within others, and a call that has what is needed', () => {
    const endpoint = named('POST', '/admin/keys')
    if (endpoint === undefined) throw new Error('not described')
    const fields = fieldsOf(endpoint.requestBody?.content['application/json']?.schema ?? {}, description)
    const allowed = Object.fromEntries(fields.map((field) => [field.name, field.allowed]))
    expect(allowed['limits.rules[].kind']).toBe('rate, or concurrency, or budget')
    expect(allowed['limits.rules[].per_minute']).toBe('an integer from 1 to 1000000000000')
    expect(fields.filter(({ name, isRequired }) => isRequired && !name.includes('.')).map(({ name }) => name)).toEqual([
      'tenant',
      'name',
    ])
    expect(curlOf(endpoint, description, 'https://gateway.test').split(' \\\n  ')).toEqual([
      `curl -X POST 'https://gateway.test/admin/keys'`,
      '-H "Authorization: Bearer $TIDEGATE_TOKEN"',
      `-H 'Content-Type: application/json'`,
      `-d '{"tenant":"<tenant>","name":"<name>"}'`,
    ])
  })
})

describe('the description', () => {
  it('names every endpoint that the router has, and no other', () => {
    const named = Object.entries(described.paths).flatMap(([path, operations]) =>
      path.startsWith('/admin/') ? Object.keys(operations).map((method) => `${method.toUpperCase()} ${path}`) : [],
    )
    expect(endpoints.length).toBeGreaterThan(50)
    expect(named.toSorted()).toEqual(endpoints.map(plain).toSorted())
    expect(Object.keys(WORDS).toSorted()).toEqual(endpoints.toSorted())
  })

  it('refers only to what it has', () => {
    const references = [...JSON.stringify(described).matchAll(/"\$ref":"([^"]*)"/g)].map(([, to = '']) => to)
    expect(references.length).toBeGreaterThan(100)
    const missing = references.filter(
      (to) => !(to.replace('#/components/schemas/', '') in described.components.schemas),
    )
    expect(missing).toEqual([])
  })

  it.each([
    ['/admin/keys', 'post', { tenant: 'a', name: 'app' }, { tenant: 'a', name: '' }],
    ['/admin/keys/{id}', 'patch', { limits: { tokens_per_minute: 1 } }, { limits: { tokens_per_minute: 0 } }],
    ['/admin/tenants', 'post', { name: 'a', cache: { mode: 'off' } }, { name: 'a', cache: { mode: 'on' } }],
    ['/admin/targets', 'post', { provider: 'openai', model: 'm' }, { provider: 'nobody', model: 'm' }],
    ['/admin/configuration/rollback', 'post', { revision: 1, expected_revision: 2 }, { revision: 1 }],
  ])('of what %s %s takes has its bounds', (path, method, right, wrong) => {
    const schema = described.paths[path]?.[method]?.requestBody?.content['application/json'].schema
    const validate = new Ajv2020({ strict: false }).compile({ ...schema, components: described.components })
    expect([validate(right), validate(wrong), validate({ ...right, misspelt: 1 })]).toEqual([true, false, false])
  })

  it('tells roles, headers and pages', () => {
    const keys = described.paths['/admin/keys']
    expect(keys?.['post']?.['x-tidegate-role']).toBe('lead')
    expect(keys?.['post']?.parameters?.map(({ name }) => name)).toEqual(['Idempotency-Key'])
    expect(keys?.['get']?.parameters?.map(({ name }) => name)).toEqual(['limit', 'cursor'])
    const one = described.paths['/admin/keys/{id}']
    expect(one?.['patch']?.parameters?.map(({ name }) => name)).toEqual(['id', 'If-Match'])
    expect(Object.keys(one?.['patch']?.responses ?? {})).toEqual([
      '200',
      '400',
      '401',
      '403',
      '404',
      '409',
      '412',
      '413',
      '415',
      '422',
      '429',
      '500',
      '503',
    ])
  })

  it('knows every code that a refusal has', () => {
    const folder = 'src/control-plane'
    const files = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.ts'))
    const source = files.map((file) => readFileSync(`${folder}/${file}`, 'utf8')).join('\n')
    const codes = [...source.matchAll(/\bcode: '([a-z_]+)'|unacceptable\(\s*[^,()]+,\s*'([a-z_]+)'/g)]
    expect(codes.length).toBeGreaterThan(40)
    expect(codes.map(([, one, other]) => one ?? other ?? '').filter((code) => !(code in CODES))).toEqual([])
  })
})
