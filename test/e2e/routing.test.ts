// Routes that choose: strategies, rules and what doesn't fit, as an operator writes them and as a client meets them; and
// explanations, which say beforehand what the request then does.
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import {
  ask,
  create,
  createTenant,
  eventually,
  idOf,
  latestAttempts,
  says,
  simulatedTarget,
} from '../support/account.ts'
import { type TestSystem, startTestSystem } from '../support/system.ts'

let system: TestSystem
let key: string
let shadowed: string

beforeAll(async () => {
  system = await startTestSystem()
  const limits = { budget: { amount_usd: '5', period: 'day' } }
  key = (await createTenant(system, 'routing', { limits })).key
  const targets = [
    simulatedTarget('dear', 'sim-gpt-4o-fast', {
      price: { input_usd_per_million: '10', output_usd_per_million: '40' },
    }),
    simulatedTarget('cheap', 'sim-gpt-4o-mini-fast', {
      price: { input_usd_per_million: '0.10', output_usd_per_million: '0.40' },
      labels: ['eu'],
    }),
    simulatedTarget('claude', 'sim-claude-fast', {
      price: { input_usd_per_million: '3', output_usd_per_million: '15' },
    }),
    simulatedTarget('short', 'sim-gpt-4o-fast', { capabilities: { context_tokens: 100 } }),
    simulatedTarget('blind', 'sim-gpt-4o-fast', { capabilities: { vision: false } }),
  ]
  for (const target of targets) await create(system, '/admin/targets', { force: true, ...target })
  await create(system, '/admin/routes', {
    model: 'cheapest',
    targets: ['dear', 'claude', 'cheap'],
    strategy: 'cheapest',
  })
  await create(system, '/admin/routes', {
    model: 'sticky',
    targets: ['dear', 'cheap', 'claude'],
    strategy: 'sticky',
    by: ['session'],
  })
  await create(system, '/admin/routes', {
    model: 'canary',
    targets: ['dear', 'cheap'],
    weights: { dear: 9, cheap: 1 },
  })
  await create(system, '/admin/routes', { model: 'length', targets: ['short', 'dear'] })
  await create(system, '/admin/routes', { model: 'sight', targets: ['blind', 'dear'] })
  await create(system, '/admin/routes', {
    model: 'ruled',
    targets: ['dear', 'cheap'],
    rules: [
      { name: 'no tools', when: { flag: 'tools', is: true }, do: { refuse: 'No tools here.' } },
      { name: 'batch', when: { text: 'tag', in: ['batch-*'] }, do: { use: { members: ['claude'] } } },
      { name: 'europe', when: { text: 'metadata.zone', in: ['eu'] }, do: { require_labels: ['eu'] } },
    ],
  })
  const shadow = { target: 'cheap', percent: 100, budget_usd: '1' }
  shadowed = idOf(await create(system, '/admin/routes', { model: 'shadowed', targets: ['claude'], shadow }))
  await create(system, '/admin/presets', {
    name: 'brief',
    tenant: 'routing',
    parameters: { model: 'shadowed', max_tokens: 9 },
    system: 'Be brief.',
  })
})
afterAll(() => system.dispose())

const body = (model: string, more: object = {}): object => ({ model, messages: says('Hello'), max_tokens: 16, ...more })

interface Explained {
  readonly candidates: readonly { readonly target: string; readonly estimated_cost_usd: number | null }[]
  readonly excluded: readonly { readonly target: string; readonly reason: string; readonly detail: string }[]
  readonly [name: string]: unknown
}

async function explain(asked: object, headers: Readonly<Record<string, string>> = {}): Promise<Explained> {
  const response = await fetch(`${system.url}/v1/route/explain`, {
    method: 'POST',
    headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json', ...headers },
    body: JSON.stringify(asked),
  })
  expect(response.status).toBe(200)
  const told: Explained = await response.json()
  return told
}

/** Who answered, and by which plan. */
async function answered(asked: object, headers: Readonly<Record<string, string>> = {}) {
  const response = await eventually(
    () => ask(system, key, asked, { headers }),
    ({ status }) => status !== 404,
  )
  await response.arrayBuffer()
  return {
    status: response.status,
    target: response.headers.get('x-tidegate-target'),
    plan: response.headers.get('x-tidegate-plan'),
  }
}

describe('a strategy', () => {
  test('cheapest asks the cheapest first, and says so', async () => {
    expect(await answered(body('cheapest'))).toEqual({
      status: 200,
      target: 'cheap',
      plan: 'cheapest: cheap > claude > dear',
    })
    const told = await explain(body('cheapest'))
    expect(told).toMatchObject({
      protocol: 'chat',
      summary: 'cheapest: cheap > claude > dear',
      route: { model: 'cheapest', strategy: 'cheapest', rule: null },
      cache: 'off',
      candidates: [
        { target: 'cheap', lane: 'native', health: { state: 'closed' } },
        { target: 'claude', lane: 'translated' },
        { target: 'dear' },
      ],
    })
    const costs = told.candidates.map((candidate) => candidate.estimated_cost_usd ?? Infinity)
    expect(costs).toEqual(costs.toSorted((a, b) => a - b))
    expect(costs[0]).toBeGreaterThan(0)
  })

  test('sticky keeps a session where it is', async () => {
    await answered(body('sticky'))
    const seen = new Set<string | null>()
    for (let session = 0; session < 12; session += 1) {
      const headers = { 'x-tidegate-session': `s${session}` }
      const [first, second] = [await answered(body('sticky'), headers), await answered(body('sticky'), headers)]
      expect(second.target).toBe(first.target)
      seen.add(first.target)
    }
    expect(seen.size).toBeGreaterThan(1)
  })

  test('weighted sends a small part elsewhere', async () => {
    const counts = { dear: 0, cheap: 0 }
    for (let asked = 0; asked < 60; asked += 1) {
      const { target } = await answered(body('canary'))
      if (target === 'dear' || target === 'cheap') counts[target] += 1
    }
    // Fewer than 30 of 60 at nine in ten happens once in 10^15 runs.
    expect(counts.dear).toBeGreaterThan(30)
  })
})

describe('what does not fit', () => {
  test('a prompt longer than the context goes to the next target', async () => {
    expect((await answered(body('length'))).target).toBe('short')
    const long = body('length', { messages: says('many words '.repeat(400)) })
    expect(await answered(long)).toMatchObject({ target: 'dear', plan: 'priority: dear; not short (too-long)' })
    expect((await explain(long)).excluded).toEqual([
      { target: 'short', reason: 'too-long', detail: expect.stringContaining('it takes 100') },
    ])
  })

  test('a picture goes to who can see it', async () => {
    const picture = { type: 'image_url', image_url: { url: 'data:image/png;base64,iVBORw0KGgo=' } }
    const asked = body('sight', { messages: [{ role: 'user', content: [{ type: 'text', text: 'What?' }, picture] }] })
    expect((await answered(body('sight'))).target).toBe('blind')
    expect((await answered(asked)).target).toBe('dear')
  })
})

describe('a rule', () => {
  test('sends some requests elsewhere, keeps others in, and refuses', async () => {
    expect((await answered(body('ruled'))).target).toBe('dear')
    expect(await answered(body('ruled'), { 'x-tidegate-tags': 'batch-7' })).toMatchObject({
      target: 'claude',
      plan: 'rule batch: claude; not dear (rule), cheap (rule)',
    })
    expect((await answered(body('ruled', { metadata: { zone: 'eu' } }))).target).toBe('cheap')
    const tools = [{ type: 'function', function: { name: 'f', parameters: { type: 'object', properties: {} } } }]
    expect((await answered(body('ruled', { tools }))).status).toBe(403)
    expect(await explain(body('ruled', { tools }))).toMatchObject({
      would_answer: { status: 403, body: { error: { code: 'refused_by_rule', message: 'No tools here.' } } },
    })
  })
})

describe('a preset and a shadow', () => {
  test('give a request its members, and mirror it beside the client’s budget and reports', async () => {
    const asked = { model: '@preset/brief', messages: says('Hello'), stream: true }
    const response = await eventually(
      () => ask(system, key, asked),
      ({ status }) => status !== 404,
    )
    expect(await response.text()).toContain('[DONE]')
    expect(response.headers.get('x-tidegate-preset')).toBe('brief')
    expect(response.headers.get('x-tidegate-plan')).toBe('priority: claude; shadow cheap (100%)')
    const rows = await eventually(
      async () => (await latestAttempts(system)).filter((row) => row.route === shadowed),
      ({ length }) => length >= 2,
    )
    const live = rows.find((row) => row.key !== 'shadow')
    const mirror = rows.find((row) => row.key === 'shadow')
    expect(live).toMatchObject({ target: 'claude', tags: ['tidegate:preset:brief'], streamed: true })
    expect(mirror).toMatchObject({ target: 'cheap', status: 200, ending: 'finished', trace_id: live?.request_id })
    expect(Number(mirror?.cost_nano_usd)).toBeGreaterThan(0)
    expect(mirror?.ttft_ms).not.toBeNull()
    const { body: report } = await system.admin(
      'GET',
      `/admin/reports?group_by=traffic&route=${shadowed}&metrics=requests,spend,latency`,
    )
    expect(report).toMatchObject({
      rows: expect.arrayContaining([expect.objectContaining({ traffic: 'shadow', requests: 1 })]),
    })
  })

  test('are told beforehand, with the limits that the request would take from', async () => {
    const told = await explain({ model: '@preset/brief', messages: says('Hello') })
    expect(told).toMatchObject({
      preset: 'brief',
      model: 'shadowed',
      max_output_tokens: 9,
      shadow: { target: 'cheap', percent: 100, budget_usd: 1, excluded: null },
      limits: {
        would_admit: true,
        is_available: true,
        in_hand: { is_enough: true },
        limits: [{ scope: 'tenant', kind: 'budget', limit_usd: '5.00', fits: true }],
      },
    })
  })
})

describe('an explanation', () => {
  test('knows the protocol by the body, and takes any', async () => {
    await answered(body('cheapest'))
    expect((await explain({ model: 'cheapest', input: 'Hello' }))['protocol']).toBe('responses')
    expect((await explain({ model: 'cheapest', prompt: 'Hello' }))['protocol']).toBe('completions')
    expect((await explain({ model: 'cheapest', query: 'a', documents: ['b'] }))['protocol']).toBe('rerank')
    expect(await explain({ model: 'cheapest', file: 'talk.mp3', language: 'en' })).toMatchObject({
      protocol: 'transcriptions',
      candidates: [{ lane: 'relayed' }, {}],
    })
    const messages = { ...body('cheapest'), system: 'Be brief.' }
    expect((await explain(messages))['protocol']).toBe('messages')
    expect((await explain(body('cheapest'), { 'anthropic-version': '2023-06-01' }))['protocol']).toBe('messages')
  })

  test('calls no provider, and refuses a stranger and a broken body as the request would', async () => {
    const before = await (await fetch(`${system.simulatedUrl}/books`)).text()
    await explain(body('cheapest'))
    expect(await (await fetch(`${system.simulatedUrl}/books`)).text()).toBe(before)
    const at = `${system.url}/v1/route/explain`
    const stranger = await fetch(at, { method: 'POST', body: '{}' })
    expect(stranger.status).toBe(401)
    const headers = { authorization: `Bearer ${key}`, 'content-type': 'application/json' }
    const broken = await fetch(at, { method: 'POST', headers, body: '{"model":' })
    expect(broken.status).toBe(400)
    const fieldless = await fetch(at, { method: 'POST', headers, body: '{"messages":[]}' })
    expect(await fieldless.json()).toMatchObject({ error: { param: 'model' } })
    expect((await fetch(at, { headers })).status).toBe(405)
  })

  test('of a model that does not exist says what would be answered', async () => {
    expect(await explain(body('nobody'))).toMatchObject({ candidates: [], would_answer: { status: 404 } })
  })
})
