// Who is in the demo data, as data: tenants with their teams, keys and budgets, and the routes they ask for. Every tenant has
// `(demo)` in its name, and every route begins with `demo-`, so that nobody takes them for real.

export const DEMO_MARK = '(demo)'

export interface DemoKey {
  readonly name: string
  /** Its part of the tenant's requests, beside those of the others. */
  readonly share: number
  /** Requested model. */
  readonly model: DemoRoute['model']
  readonly costCenter: string
  readonly tags: readonly string[]
  /** USD a calendar month. */
  readonly budgetUsd?: number
  /** Tokens of a usual prompt and answer. */
  readonly tokens: readonly [input: number, output: number]
  readonly isStreamed: boolean
}

export interface DemoTeam {
  readonly name: string
  readonly budgetUsd?: number
  readonly keys: readonly DemoKey[]
}

export interface DemoTenant {
  readonly name: string
  readonly timeZone: string
  /** UTC hour in which most is asked. */
  readonly peakHour: number
  /** Requests on a usual weekday. */
  readonly perDay: number
  /** What of a weekday's requests a day of the weekend has. */
  readonly weekend: number
  readonly budgetUsd: number
  readonly teams: readonly DemoTeam[]
}

export interface DemoRoute {
  readonly model: 'demo-chat' | 'demo-fast' | 'demo-batch'
  /** Members of the route in the admin API's words. */
  readonly body: object
  /** Who is asked, and its part of the requests; the fallback goes in when it fails. */
  readonly targets: readonly { readonly target: DemoTarget; readonly share: number; readonly fallback: DemoTarget }[]
}

/** Targets that every local system has. */
export const DEMO_TARGETS = {
  'sim-claude': { provider: 'simulated-anthropic', model: 'sim-claude', ttftMs: 620, perTokenMs: 14 },
  'sim-gpt-4o': { provider: 'simulated-openai', model: 'sim-gpt-4o', ttftMs: 410, perTokenMs: 11 },
  'sim-gemini': { provider: 'simulated-gemini', model: 'sim-gemini', ttftMs: 330, perTokenMs: 7 },
  'sim-bedrock': { provider: 'simulated-bedrock', model: 'sim-bedrock', ttftMs: 540, perTokenMs: 9 },
} as const
export type DemoTarget = keyof typeof DEMO_TARGETS

export const DEMO_ROUTES: readonly DemoRoute[] = [
  {
    model: 'demo-chat',
    body: { strategy: 'priority', targets: ['sim-claude', 'sim-gpt-4o'] },
    targets: [{ target: 'sim-claude', share: 1, fallback: 'sim-gpt-4o' }],
  },
  {
    model: 'demo-fast',
    body: {
      group: {
        strategy: 'weighted',
        experiment: 'faster-answers',
        members: [
          { target: 'sim-gemini', weight: 90 },
          {
            target: 'sim-gpt-4o',
            weight: 10,
            watch: { max_error_rate: 0.2, min_requests: 50, window_minutes: 15 },
          },
        ],
      },
    },
    targets: [
      { target: 'sim-gemini', share: 0.9, fallback: 'sim-gpt-4o' },
      { target: 'sim-gpt-4o', share: 0.1, fallback: 'sim-gemini' },
    ],
  },
  {
    model: 'demo-batch',
    body: { strategy: 'priority', targets: ['sim-bedrock', 'sim-gemini'] },
    targets: [{ target: 'sim-bedrock', share: 1, fallback: 'sim-gemini' }],
  },
]

export const DEMO_TENANTS: readonly DemoTenant[] = [
  {
    name: `Northwind Retail ${DEMO_MARK}`,
    timeZone: 'Europe/Berlin',
    peakHour: 10,
    perDay: 190,
    weekend: 0.45,
    budgetUsd: 21,
    teams: [
      {
        name: 'Support',
        budgetUsd: 16,
        keys: [
          key('support-assistant', 5, 'demo-chat', 'cc-support', ['app:assistant'], [1400, 320], 14),
          key('ticket-triage', 3, 'demo-fast', 'cc-support', ['app:triage'], [700, 60]),
        ],
      },
      {
        name: 'Search',
        keys: [
          key('query-rewriter', 6, 'demo-fast', 'cc-search', ['app:search'], [350, 40]),
          key('catalogue-enricher', 2, 'demo-batch', 'cc-search', ['app:catalogue', 'batch'], [2600, 500], 3),
        ],
      },
    ],
  },
  {
    name: `Helio Health ${DEMO_MARK}`,
    timeZone: 'America/New_York',
    peakHour: 16,
    perDay: 120,
    weekend: 0.15,
    budgetUsd: 50,
    teams: [
      {
        name: 'Clinical notes',
        budgetUsd: 30,
        keys: [key('note-summariser', 5, 'demo-chat', 'cc-clinical', ['app:notes'], [3200, 450], 29)],
      },
      {
        name: 'Research',
        keys: [
          key('paper-reader', 2, 'demo-chat', 'cc-research', ['app:papers'], [6000, 700]),
          key('notebook', 1, 'demo-fast', 'cc-research', ['app:notebook'], [900, 350], 3),
        ],
      },
    ],
  },
  {
    name: `Kite Games ${DEMO_MARK}`,
    timeZone: 'Asia/Tokyo',
    peakHour: 11,
    perDay: 130,
    weekend: 1.4,
    budgetUsd: 11,
    teams: [
      {
        name: 'Live ops',
        keys: [
          key('npc-dialogue', 6, 'demo-fast', 'cc-game', ['app:npc'], [1100, 120], 10),
          key('chat-moderation', 4, 'demo-fast', 'cc-safety', ['app:moderation'], [260, 12]),
        ],
      },
    ],
  },
]

function key(
  name: string,
  share: number,
  model: DemoRoute['model'],
  costCenter: string,
  tags: readonly string[],
  tokens: readonly [input: number, output: number],
  budgetUsd?: number,
): DemoKey {
  const isStreamed = model !== 'demo-batch'
  return { name, share, model, costCenter, tags, tokens, isStreamed, ...(budgetUsd === undefined ? {} : { budgetUsd }) }
}
