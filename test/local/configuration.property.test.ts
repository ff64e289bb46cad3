// The configuration's document: what is exported is what was imported, the schema for editors agrees with the gateway, and every
// problem has its line and column.
import { Ajv2020 } from 'ajv/dist/2020.js'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { declare, readDocument } from '../../src/control-plane/configuration/declare.ts'
import { differences } from '../../src/control-plane/configuration/difference.ts'
import { type State, rowChanges, stateOf } from '../../src/control-plane/configuration/state.ts'
import { undone } from '../../src/control-plane/configuration/undo.ts'
import { type DocumentView, documentOf } from '../../src/control-plane/configuration/view.ts'
import type { GatewayEnv } from '../../src/env.ts'
import { jsonSchema } from '../../src/local/cli/json-schema.ts'
import { parseSource } from '../../src/local/cli/source-file.ts'
import { documentText } from '../../src/local/cli/write-document.ts'

const NOW_MS = Date.parse('2026-11-21T12:00:00Z')

/** Only the price lists that were fetched are looked up: there are none. */
function isEnv(value: unknown): value is GatewayEnv {
  return typeof value === 'object'
}
const bindings: unknown = {
  DB: { prepare: () => ({ all: async () => ({ results: [] }) }) },
  KEY_PEPPER: 'pepper-of-the-tests',
  ENVIRONMENT: 'local',
  OPENAI_API_KEY: 'sk',
  ANTHROPIC_API_KEY: 'sk',
  SPARE_API_KEY: 'sk',
}
if (!isEnv(bindings)) throw new Error('no bindings')
const env = bindings

let made = 0
const ports = {
  services: [],
  nowMs: () => NOW_MS,
  randomBytes: (count: number) => {
    made += 1
    return Uint8Array.from({ length: count }, (_, at) => (made * 31 + at * 17 + (made >> 8)) % 256)
  },
  probe: () => Promise.reject(new Error('nothing is probed here')),
  fetch: () => Promise.reject(new Error('nothing is fetched here')),
}
const EMPTY = stateOf({})

/** The state after a document; undefined where it isn't taken. */
async function stateAfter(document: unknown, before: State, prune = false): Promise<State | undefined> {
  const read = readDocument(document)
  if (!read.ok) throw new Error(JSON.stringify(read.problems))
  const { draft, problems } = await declare(read.value, before, { env, ports, prune }, 'https://tidegate.example')
  return problems.length === 0 ? draft : undefined
}

const tenant = fc.constantFrom('acme', 'beta')
const name = fc.constantFrom('one', 'two', 'a name', 'x/y')
const usd = fc.constantFrom('0.01', '2.50', '100.00', '12')
const part = <T>(values: fc.Arbitrary<T>) => fc.option(values, { nil: undefined })
const rule = fc.oneof(
  fc.record({ kind: fc.constant('concurrency'), most: fc.integer({ min: 1, max: 50 }) }),
  fc.record({
    kind: fc.constant('rate'),
    unit: fc.constantFrom('requests', 'output_tokens'),
    per_minute: fc.integer({ min: 1, max: 1e6 }),
  }),
  fc.record({
    kind: fc.constant('budget'),
    amount_usd: usd,
    period: fc.constantFrom('day', { every_days: 3, from: '2026-01-01' }),
  }),
)
const rules = fc.uniqueArray(rule, { maxLength: 3, selector: ({ kind }) => kind })
const limits = fc.record(
  {
    tokens_per_minute: fc.option(fc.integer({ min: 1, max: 1e6 })),
    budget: fc.option(fc.record({ amount_usd: usd, period: fc.constantFrom('hour', 'month') })),
    rules,
    at_limit: fc.option(fc.constantFrom({ action: 'refuse' }, { action: 'wait', max_wait_ms: 500 })),
    runaway: fc.option(fc.constant({ factor: 3, min_usd_per_hour: '1.00', action: 'stop' })),
  },
  { requiredKeys: [] },
)
const plainPrice = fc.record(
  {
    input_usd_per_million: fc.constantFrom('0', '2.5', '0.000001', '1000000'),
    output_usd_per_million: fc.constantFrom('10', '0.30'),
    cache_read_usd_per_million: fc.constantFrom('0.25', '2.5'),
    request_usd: fc.constantFrom('0.01', '0.000000001'),
    second_usd: fc.constantFrom('0.0001', '3'),
    tiers: fc.constant({
      flex: { input_usd_per_million: '1', output_usd_per_million: '2', reasoning_usd_per_million: '3' },
    }),
    hardware: fc.constantFrom(
      { usd_per_hour: '2', at_once: 7 },
      { usd_per_hour: '1.10', energy_usd_per_hour: '0.3', at_once: 1 },
    ),
  },
  { requiredKeys: ['input_usd_per_million', 'output_usd_per_million'] },
)
const LONG_PROMPTS = [
  { above_tokens: 200_000, input_usd_per_million: '1', output_usd_per_million: '2' },
  { above_tokens: 500_000, input_usd_per_million: '2', output_usd_per_million: '3', cache_read_usd_per_million: '0' },
]
const price = plainPrice.map((one) => (one.tiers === undefined ? one : { ...one, long_prompts: LONG_PROMPTS }))
const target = fc.record(
  {
    id: fc.constantFrom('t1', 't2', 't3'),
    name: fc.constant('A target'),
    provider: fc.constantFrom('openai', 'anthropic', 'bedrock'),
    model: fc.constantFrom('gpt-4o', 'some-model', '*'),
    settings: fc.constantFrom({ region: 'eu-west-1' }, { region: 'us-east-1' }),
    credential: fc.constantFrom(null, 'SPARE_API_KEY', 'spare'),
    max_retries: fc.integer({ min: 0, max: 5 }),
    timeouts: fc.record(
      { first_content_ms: fc.constantFrom(50, 120_000), connect_ms: fc.option(fc.constant(9)) },
      { requiredKeys: [] },
    ),
    quirks: fc.constantFrom([], null),
    capabilities: fc.constantFrom({ vision: true, context_tokens: 9 }, {}),
    labels: fc.constantFrom(['eu', 'no-training'], []),
    max_batch_size: fc.option(fc.constant(32)),
    health_check: fc.constantFrom('off', 'models'),
    cost_center: fc.option(fc.constant('4711')),
    limits: rules,
    price,
  },
  { requiredKeys: ['id', 'provider', 'model', 'settings', 'credential'] },
)
const member = (ids: readonly string[]) =>
  ids.map((id, at) => (at === 0 ? id : { target: id, ramp: { to: at, over_minutes: 30 } }))
const routeOf = (ids: readonly string[]) =>
  fc.record(
    {
      model: fc.constantFrom('chat', 'gpt-*'),
      tenant: fc.option(tenant),
      allowed_gaps: fc.constantFrom(['tools'], []),
      timeout_ms: fc.option(fc.constant(1000)),
      hedge: fc.option(fc.constant({ after_ms: 'p95', max: 1 })),
      mid_stream_failover: fc.boolean(),
      shadow: fc.constantFrom({ target: ids[0], percent: 5, budget_usd: '1.00' }, { target: ids[0], percent: 1 }),
      group: fc.constant({ strategy: 'weighted', members: member(ids) }),
      rules: fc.constantFrom(
        [],
        [
          { name: 'r', when: { text: 'tag', in: ['x'] }, do: { use: { members: [ids[0]] } } },
          { name: 's', when: { flag: 'tools', is: true }, do: { refuse: 'no' } },
        ],
      ),
    },
    { requiredKeys: ['model', 'group'] },
  )
const document = fc.uniqueArray(target, { minLength: 1, maxLength: 3, selector: ({ id }) => id }).chain((targets) => {
  const ids = targets.map(({ id }) => id)
  return fc.record({
    tenants: fc.tuple(
      fc.record(
        {
          name: fc.constant('acme'),
          limits,
          cache: fc.constantFrom({ mode: 'all' }, { mode: 'off', ttl_seconds: 60 }),
          end_user_limits: rules,
        },
        { requiredKeys: ['name'] },
      ),
      fc.record({
        name: fc.constant('beta'),
        unpriced: fc.constant('default'),
        default_price: price,
        time_zone: fc.constantFrom('UTC', 'Europe/Berlin'),
        require_end_user: fc.boolean(),
      }),
    ),
    teams: fc.uniqueArray(fc.record({ tenant, name, limits, end_user_limits: part(rules) }), {
      maxLength: 3,
      selector: (one) => `${one.tenant} ${one.name}`,
    }),
    keys: fc.uniqueArray(
      fc.record({
        tenant,
        name,
        limits: part(limits),
        end_user_limits: part(rules),
        tags: part(fc.constant(['web'])),
        models: part(fc.constant(['chat'])),
        expires_at: part(fc.constantFrom(null, '2027-01-31T00:00:00Z')),
      }),
      { maxLength: 3, selector: (one) => `${one.tenant} ${one.name}` },
    ),
    credentials: fc.constantFrom(
      [{ name: 'spare', secret: 'SPARE_API_KEY' }],
      [
        { name: 'other', provider: 'openai', secret: 'OPENAI_API_KEY' },
        { name: 'spare', provider: null, secret: 'OPENAI_API_KEY' },
      ],
    ),
    targets: fc.constant(targets),
    routes: fc.uniqueArray(routeOf(ids), { maxLength: 3, selector: (one) => `${one.tenant ?? ''} ${one.model}` }),
    prices: fc.array(
      fc.oneof(
        fc.record({
          provider: fc.constantFrom('openai', '*'),
          model: fc.constant('gpt-*'),
          tenant: part(tenant),
          price,
          from: part(fc.constant('2026-02-03T04:05:06Z')),
        }),
        fc.record({
          provider: fc.constant('openai'),
          model: fc.constant('m'),
          adjust_percent: fc.constantFrom('-12.5', '3', '0.29'),
          note: part(fc.constant('n')),
        }),
      ),
      { maxLength: 3 },
    ),
    alert_channels: fc.constantFrom(
      [],
      [{ kind: 'email', name: 'ops', address: 'a@example.com', tenants: ['beta'], on: false }],
      [{ kind: 'slack', name: 'ops', secret_name: 'A_WEBHOOK_URL', kinds: ['forecast'] }],
    ),
    presets: fc.constantFrom(
      [],
      [
        { name: 'brief', parameters: { temperature: 0 } },
        { name: 'brief', tenant: 'acme', system: 'Be brief.' },
      ],
    ),
    alert_rules: fc.constantFrom(
      [],
      [
        { unknown_price: false, forecast: null },
        { tenant: 'acme', anomaly: { factor: 3, min_usd: '2.00' } },
      ],
    ),
    switches: fc.constantFrom(
      [],
      [
        { kind: 'tenant', id: 'acme', off: true, reason: 'r' },
        { kind: 'target', id: ids[0], off: true, reason: 'r' },
      ],
    ),
  })
})

const plain = (value: unknown): unknown => JSON.parse(JSON.stringify(value))

describe('a document', () => {
  it('that is exported makes the same when it is imported, and nothing else where it came from', async () => {
    let taken = 0
    const property = fc.asyncProperty(document, async (written) => {
      const first = await stateAfter(plain(written), EMPTY)
      if (first === undefined) return
      taken += 1
      const exported: DocumentView = documentOf(first)
      const second = await stateAfter(plain(exported), EMPTY)
      expect(second && documentOf(second)).toEqual(exported)
      const again = await stateAfter(plain(exported), first, true)
      expect(again && rowChanges(first, again)).toEqual([])
      const same = await stateAfter(plain(written), first, true)
      expect(same && differences(exported, documentOf(same))).toEqual([])
    })
    await fc.assert(property, { numRuns: 25 })
    expect(taken, 'documents that are taken at all').toBeGreaterThan(10)
  })

  it('whose change is undone is as it was, whatever the change was', async () => {
    const property = fc.asyncProperty(document, document, async (one, other) => {
      const before = await stateAfter(plain(one), EMPTY)
      const after = before && (await stateAfter({ ...Object(plain(other)), keys: [] }, before))
      if (before === undefined || after === undefined) return
      const { state } = undone({ from: before, to: after }, after)
      const withoutSwitches = (view: DocumentView) => ({ ...view, switches: [] })
      expect(withoutSwitches(documentOf(state))).toEqual(withoutSwitches(documentOf(before)))
    })
    await fc.assert(property, { numRuns: 20 })
  })

  it('is written as JSON and as YAML, and read again as the same', () => {
    fc.assert(
      fc.property(document, (written) => {
        const value = plain(written)
        if (typeof value !== 'object' || value === null) throw new Error('no document')
        for (const [format, file] of [
          ['jsonc', 'a.jsonc'],
          ['yaml', 'a.yml'],
        ] as const) {
          expect(parseSource(file, documentText({ ...value }, format, ['A comment.'])).value).toEqual(value)
        }
      }),
      { numRuns: 10 },
    )
  })
})

describe('the schema for editors', () => {
  const validate = new Ajv2020({ strict: false, allErrors: false }).compile(jsonSchema())

  it('takes what the gateway takes', () => {
    fc.assert(
      fc.property(document, (written) => {
        const value = plain(written)
        expect([readDocument(value).ok, validate(value)]).toEqual([true, true])
      }),
      { numRuns: 20 },
    )
  })

  it.each([
    ['a field that is not one', { routes: [{ model: 'x', target: 'y' }] }],
    ['a section that is not one', { models_: [] }],
    ['text for a number', { targets: [{ provider: 'openai', model: 'm', max_retries: '2' }] }],
    ['a credential in the file', { credentials: [{ name: 'main', value: 'sk-x' }] }],
    ['a provider that nobody knows', { models: [{ name: 'x', backend: 'nobody' }] }],
    [
      'a secret in the file',
      { alert_channels: [{ kind: 'webhook', name: 'x', url: 'https://x.example', secret: 'whsec_x' }] },
    ],
  ])('refuses %s, as the gateway does', (_, value) => {
    expect([readDocument(value).ok, validate(value)]).toEqual([false, false])
  })
})

describe('a problem', () => {
  const JSONC = `{
  // A comment.
  "targets": [
    { "id": "a", "provider": "openai" },
    { "id": "b", "timeouts": { "total_ms": 1 }, }
  ],
  "routes": [{ "model": "m", "weights": { "gpt-4.1": 1 } }]
}`
  const YAML = `targets:
  - id: a
    provider: openai
  - id: b
    timeouts: { total_ms: 1 }
routes:
  - model: m
    weights:
      gpt-4.1: 1
`
  it.each([
    ['tidegate.jsonc', JSONC, 'targets[1].timeouts.total_ms', { line: 5, column: 32 }],
    ['tidegate.jsonc', JSONC, 'targets[0].model', { line: 4, column: 5 }],
    ['tidegate.jsonc', JSONC, 'routes[0].weights.gpt-4.1', { line: 7, column: 43 }],
    ['tidegate.yaml', YAML, 'targets[1].timeouts.total_ms', { line: 5, column: 17 }],
    ['tidegate.yaml', YAML, 'targets[0].model', { line: 2, column: 5 }],
    ['tidegate.yaml', YAML, 'routes[0].weights.gpt-4.1', { line: 9, column: 7 }],
  ])('of %s has its place: %#', (file, text, field, place) => {
    expect(parseSource(file, text).placeOf(field)).toEqual(place)
  })

  it('of a file that is one model stands where the model says it', () => {
    const source = parseSource('model.yaml', 'name: llama\nbackend: vllm\nendpoint: nowhere\n')
    expect(source.value).toEqual({ models: [{ name: 'llama', backend: 'vllm', endpoint: 'nowhere' }] })
    expect(source.placeOf('models[0].endpoint')).toEqual({ line: 3, column: 1 })
  })

  it('of what cannot be read at all is told with its place', () => {
    expect(() => parseSource('a.jsonc', '{\n  "x": ,\n}')).toThrow('a.jsonc:2:8')
    expect(() => parseSource('a.yaml', 'x: [1\ny: 2\n')).toThrow(/a\.yaml:\d:\d isn't YAML/)
  })
})
