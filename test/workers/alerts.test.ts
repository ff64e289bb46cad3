// Alerts on a real D1: each exists once, reaches every channel that wants it, and a channel that fails neither loses one nor
// holds up another.
import { applyD1Migrations, type D1Migration } from 'cloudflare:test'
import { env } from 'cloudflare:workers'
import { Hono } from 'hono'
import { beforeAll, beforeEach, describe, expect, it } from 'vitest'
import * as z from 'zod/mini'
import type { ThresholdCrossing } from '../../src/core/money/alert.ts'
import { runawayEvents, thresholdEvents } from '../../src/core/money/usage-event.ts'
import { createAdmin } from '../../src/control-plane/admin.ts'
import type { AlertRow, NewAlert } from '../../src/ledger/alerts/alert.ts'
import type { ChannelRow } from '../../src/ledger/alerts/channel.ts'
import { deliverDue, retryDelayMs } from '../../src/ledger/alerts/deliver.ts'
import { noteAlerts } from '../../src/ledger/alerts/note-alerts.ts'
import { seal, unseal } from '../../src/ledger/alerts/seal.ts'
import { type Mail, type SendPorts, sendAlert, slackBody } from '../../src/ledger/alerts/send.ts'
import { readSigningSecret, signatureHeaders } from '../../src/ledger/alerts/sign.ts'
import { wordsOf } from '../../src/ledger/alerts/words.ts'
import { consume, type Delivery } from '../../src/ledger/consume.ts'
import { listDeadLetters } from '../../src/ledger/dead-letters.ts'
import { WEBHOOK, objectionToWebhook } from '../support/webhook-receiver.ts'

declare global {
  // oxlint-disable-next-line typescript/no-namespace -- how the platform types its bindings
  namespace Cloudflare {
    interface Env {
      DB: D1Database
      TEST_MIGRATIONS: D1Migration[]
    }
  }
}

const NOON_MS = Date.UTC(2026, 10, 21, 12)
const HOUR_MS = 3_600_000
const TOKEN = 'admin-token-of-the-tests'
const MASTER = 'alert-key-of-the-tests'
const SECRET = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw'
const TABLES = ['alerts', 'alert_channels', 'alert_channel_health', 'alert_deliveries', 'alert_rules', 'applied']
const CONFIGURED = ['virtual_keys', 'teams', 'tenants', 'dead_letters', 'usage_events', 'usage_hourly']

let nowMs: number
/** What receivers were sent, and what they answer, by URL. */
let received: { readonly url: string; readonly headers: Headers; readonly body: string }[]
let answers: Map<string, () => Promise<Response>>
let mails: Mail[]

beforeAll(() => applyD1Migrations(env.DB, env.TEST_MIGRATIONS))
beforeEach(async () => {
  await env.DB.batch([...TABLES, ...CONFIGURED].map((table) => env.DB.prepare(`DELETE FROM ${table}`)))
  nowMs = NOON_MS
  received = []
  answers = new Map()
  mails = []
})

const ports: SendPorts = {
  fetch: (url, init) => {
    received.push({ url, headers: new Headers(init.headers), body: String(init.body) })
    return answers.get(url)?.() ?? Promise.resolve(new Response('taken'))
  },
  mail: { from: 'tidegate@example.com', send: async (mail) => void mails.push(mail) },
  allowPrivate: false,
  nowMs: () => nowMs,
  master: MASTER,
  secret: (name) => (name === 'OPS_WEBHOOK_URL' ? 'https://hooks.example.com/ops' : undefined),
}

const CROSSING: ThresholdCrossing = {
  scope: 'key',
  ownerId: 'key_1',
  model: null,
  period: 'day',
  percent: 80,
  limitNanoUsd: 10_000_000_000,
  spentNanoUsd: 8_100_000_000,
  windowStartMs: NOON_MS - 12 * HOUR_MS,
  windowEndMs: NOON_MS + 12 * HOUR_MS,
  atMs: NOON_MS,
}

function alertOf(fields: Partial<NewAlert> = {}): NewAlert {
  return {
    kind: 'key-budget',
    tenantId: 'ten_a',
    scope: 'key',
    subjectId: 'key_1',
    what: 'w',
    windowStartMs: 1,
    windowEndMs: 2,
    atMs: NOON_MS,
    facts: {},
    ...fields,
  }
}

describe('an alert', () => {
  it('exists once for what and window, however often and in whatever company it comes', async () => {
    await addChannel('all')
    await Promise.all(Array.from({ length: 8 }, (_, id) => deliverEvents(id, thresholdEvents('ten_a', [CROSSING]))))
    await deliverEvents(3, thresholdEvents('ten_a', [CROSSING]))
    await deliverEvents(9, thresholdEvents('ten_a', [CROSSING, { ...CROSSING, percent: 100 }]))
    expect(await alerts()).toMatchObject([
      { kind: 'key-budget', what: 'budget key key_1  day 80 10000000000', tenant_id: 'ten_a', key_id: null },
      { what: 'budget key key_1  day 100 10000000000' },
    ])
    expect(await deliveries()).toHaveLength(2)
  })

  it('is another one in the next window, for another tenant, and of a raised budget', async () => {
    const next = { windowStartMs: CROSSING.windowEndMs, windowEndMs: CROSSING.windowEndMs + 24 * HOUR_MS }
    await deliverEvents(1, thresholdEvents('ten_a', [CROSSING, { ...CROSSING, ...next }]))
    await deliverEvents(2, thresholdEvents('ten_a', [{ ...CROSSING, limitNanoUsd: 20_000_000_000 }]))
    await deliverEvents(1, thresholdEvents('ten_b', [CROSSING]), 'ten_b')
    expect(await alerts()).toHaveLength(4)
  })

  it('is confirmed to its limiter, and so is one that runs away', async () => {
    const runaway = {
      scope: 'team' as const,
      ownerId: 'team_1',
      action: 'stop' as const,
      perHourNanoUsd: 50_000_000_000.5,
      baselinePerHourNanoUsd: 1_000_000_000,
      thresholdPerHourNanoUsd: 20_000_000_000,
      atMs: NOON_MS,
    }
    const said = await deliverEvents(7, runawayEvents('ten_a', [runaway]))
    expect(said).toEqual({ confirmed: [['ten_a', [7]]], hasAlerts: true })
    expect(await alerts()).toMatchObject([
      { kind: 'runaway', team_id: 'team_1', scope: 'team', window_start_ms: NOON_MS, window_end_ms: null },
    ])
  })

  it('that can not be read becomes a dead letter and says which field is wrong', async () => {
    const bad = JSON.stringify([{ v: 1, kind: 'threshold', tenantId: 'ten_a', ...CROSSING, percent: 'most' }])
    await deliverEvents(1, bad)
    expect(await alerts()).toEqual([])
    expect(await listDeadLetters(env.DB)).toMatchObject([{ reason: 'events[0].percent is "most"' }])
  })

  it('keeps the names of its time', async () => {
    await addNames()
    await noteAlerts(env.DB, [alertOf(), alertOf({ scope: 'team', subjectId: 'team_1', what: 'x' })], NOON_MS)
    await env.DB.prepare(`UPDATE virtual_keys SET name = 'renamed'`).run()
    expect(await alerts()).toMatchObject([
      { tenant_name: 'acme', subject_name: 'lab', team_id: 'team_1', key_id: 'key_1' },
      { subject_name: 'research', team_id: 'team_1', key_id: null },
    ])
  })

  it('is in plain words: what, who, how much of how much, since when, what happens next', async () => {
    await addNames()
    await deliverEvents(1, thresholdEvents('ten_a', [CROSSING, { ...CROSSING, percent: 100, model: 'gpt-*' }]))
    const [first, second] = (await alerts()).map((row) => wordsOf(row))
    expect(first).toEqual({
      title: '80 % of the daily budget of key lab is used',
      lines: [
        '$8.10 of $10.00 is spent for acme, since 2026-11-21 00:00 UTC.',
        'It was crossed at 2026-11-21 12:00 UTC.',
        'Nothing is refused yet. At 100 % requests under it are refused until 2026-11-22 00:00 UTC, or wait or take another model where its limits say so.',
      ],
    })
    expect(second?.title).toBe('100 % of the daily budget for gpt-* of key lab is used')
    expect(second?.lines.at(-1)).toContain('requests under it are refused until 2026-11-22 00:00 UTC')
  })
})

describe('channels', () => {
  it('get what they are for: everything, or what one of their lists names, of the kinds they want', async () => {
    await addNames()
    await addChannel('everything')
    await addChannel('of-tenant', { tenants: '["ten_a"]' })
    await addChannel('of-team', { teams: '["team_1"]' })
    await addChannel('of-key-or-other-tenant', { keys: '["key_1"]', tenants: '["ten_z"]' })
    await addChannel('of-other', { tenants: '["ten_z"]' })
    await addChannel('runaways', { kinds: '["runaway"]' })
    await addChannel('off', { is_on: 0 })
    await noteAlerts(
      env.DB,
      [alertOf(), alertOf({ kind: 'runaway', what: 'x', scope: 'tenant', subjectId: 'ten_a' })],
      0,
    )
    const found = await env.DB.prepare(
      `SELECT a.kind, d.channel_id FROM alert_deliveries d JOIN alerts a ON a.id = d.alert_id ORDER BY a.seq, 2`,
    ).raw()
    expect(found).toEqual([
      ['key-budget', 'everything'],
      ['key-budget', 'of-key-or-other-tenant'],
      ['key-budget', 'of-team'],
      ['key-budget', 'of-tenant'],
      ['runaway', 'everything'],
      ['runaway', 'of-tenant'],
      ['runaway', 'runaways'],
    ])
  })

  it('made later are not told of what was before', async () => {
    await noteAlerts(env.DB, [alertOf()], 0)
    await addChannel('late')
    await noteAlerts(env.DB, [alertOf()], 0)
    expect(await deliveries()).toEqual([])
  })

  it('keep secrets that can be opened only for them and under the same key', async () => {
    const sealed = await seal(MASTER, 'chan_1', SECRET)
    expect(sealed).not.toContain(SECRET.slice(6))
    expect(await unseal(MASTER, 'chan_1', sealed)).toBe(SECRET)
    expect(await unseal(MASTER, 'chan_2', sealed)).toBeNull()
    expect(await unseal(`${MASTER}x`, 'chan_1', sealed)).toBeNull()
    const at = sealed.length - 6
    const other = sealed[at] === 'A' ? 'B' : 'A'
    expect(await unseal(MASTER, 'chan_1', sealed.slice(0, at) + other + sealed.slice(at + 1))).toBeNull()
    expect(await seal(MASTER, 'chan_1', SECRET)).not.toBe(sealed)
  })
})

describe('a webhook', () => {
  it('is signed as the standard says', async () => {
    const key = readSigningSecret(SECRET)
    if (key === null) throw new Error('the secret should be read')
    // From the standard's own tests.
    const signable = { id: 'msg_p5jXN8AQM9LWM0D4loKWxJek', atMs: 1614265330000, body: '{"test": 2432232314}' }
    expect(await signatureHeaders(key, signable)).toEqual({
      'webhook-id': 'msg_p5jXN8AQM9LWM0D4loKWxJek',
      'webhook-timestamp': '1614265330',
      'webhook-signature': 'v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=',
    })
    for (const secret of [
      '',
      'MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw',
      'whsec_',
      'whsec_AAAA',
      'whsec_%',
      `whsec_${'A'.repeat(88)}`,
    ])
      expect(readSigningSecret(secret)).toBeNull()
  })

  it('says what it is about, and keeps its id but not its time when it is sent again', async () => {
    await addNames()
    await addChannel('hook')
    await deliverEvents(1, thresholdEvents('ten_a', [CROSSING]))
    const url = 'https://hook.example.com/in?team=7'
    answers.set(url, () => Promise.resolve(new Response('later', { status: 503 })))
    await deliverDue(env.DB, ports)
    answers.clear()
    nowMs += 30_000
    await deliverDue(env.DB, ports)
    expect(received.map((one) => one.url)).toEqual([url, url])
    const [first, second] = received
    expect(second?.headers.get('webhook-id')).toBe(first?.headers.get('webhook-id'))
    expect(Number(second?.headers.get('webhook-timestamp'))).toBe(Number(first?.headers.get('webhook-timestamp')) + 30)
    expect(await objectionToWebhook(SECRET, second?.headers ?? new Headers(), second?.body ?? '', nowMs)).toBeNull()
    const tampered = second?.body.replace('8.10', '1.10') ?? ''
    expect(await objectionToWebhook(SECRET, second?.headers ?? new Headers(), tampered, nowMs)).toBe(
      'no signature fits',
    )
    expect(WEBHOOK.parse(JSON.parse(second?.body ?? ''))).toMatchObject({
      type: 'alert.key-budget',
      timestamp: '2026-11-21T12:00:00.000Z',
      data: {
        id: second?.headers.get('webhook-id'),
        tenant: { id: 'ten_a', name: 'acme' },
        subject: { scope: 'key', id: 'key_1', name: 'lab' },
        title: '80 % of the daily budget of key lab is used',
        facts: { percent: 80, limit_nano_usd: 10_000_000_000, spent_nano_usd: 8_100_000_000 },
        url: 'https://gateway.example.com/dashboard',
      },
    })
    await deliverDue(env.DB, ports)
    expect(received).toHaveLength(2)
  })

  it('never goes to the deployment’s own network, whatever is in the database, and follows no redirect', async () => {
    const alert = await someAlert()
    for (const address of [
      'http://hook.example.com',
      'https://127.0.0.1/x',
      'https://169.254.169.254/latest',
      'service://USAGE',
    ]) {
      const sent = await sendAlert(await channelOf('inside', { address }), alert, ports)
      expect(sent).toMatchObject({ ok: false, status: 0, saw: expect.stringMatching(/^The URL must/) })
    }
    expect(received).toEqual([])
    const moved = new Response(null, { status: 302, headers: { location: 'https://127.0.0.1/' } })
    const sent = await sendAlert(await channelOf('moved'), alert, {
      ...ports,
      fetch: async (_, init) => {
        expect(init.redirect).toBe('manual')
        return moved
      },
    })
    expect(sent).toMatchObject({ ok: false, status: 302 })
  })
})

describe('Slack and mail', () => {
  it('tell it in words, with a link to the dashboard', async () => {
    await addChannel('slack', { kind: 'slack', sealed: null, secret_name: 'OPS_WEBHOOK_URL' })
    await addChannel('mail', { kind: 'email', address: 'ops@example.com', sealed: null })
    await addNames()
    await deliverEvents(1, thresholdEvents('ten_a', [CROSSING]))
    expect(await deliverDue(env.DB, ports)).toEqual({ delivered: 2, failed: 0 })
    expect(received.map(({ url }) => url)).toEqual(['https://hooks.example.com/ops'])
    const title = '80 % of the daily budget of key lab is used'
    expect(JSON.parse(received[0]?.body ?? '')).toMatchObject({
      text: title,
      blocks: [
        { type: 'header', text: { text: title } },
        { type: 'section', text: { text: expect.stringContaining('$8.10 of $10.00 is spent for acme') } },
        { type: 'actions', elements: [{ type: 'button', url: 'https://gateway.example.com/dashboard' }] },
      ],
    })
    expect(mails).toMatchObject([
      {
        from: 'tidegate@example.com',
        to: 'ops@example.com',
        subject: title,
        text: expect.stringContaining('$8.10 of'),
      },
    ])
  })

  it('take no markup from names', async () => {
    const alert = { ...(await someAlert()), subject_name: '<!channel> *loud*' }
    const types = [...slackBody(await channelOf('slack'), alert).matchAll(/"type":"(mrkdwn|plain_text)"/g)].map(
      ([, type]) => type,
    )
    expect(new Set(types)).toEqual(new Set(['plain_text']))
  })

  it('say what is missing where they are not set up', async () => {
    const mail = await channelOf('m', { kind: 'email', address: 'a@example.com', sealed: null })
    expect((await sendAlert(mail, await someAlert(), { ...ports, mail: null })).saw).toContain('ALERT_MAIL')
    const named = await channelOf('s', { kind: 'slack', sealed: null, secret_name: 'NO_WEBHOOK_URL' })
    expect((await sendAlert(named, await someAlert(), ports)).saw).toBe(
      'This Worker has no secret named NO_WEBHOOK_URL.',
    )
    const other = { ...ports, master: 'another-key-of-16-chars' }
    expect((await sendAlert(await channelOf('w'), await someAlert(), other)).saw).toContain('another ALERT_KEY')
  })
})

describe('delivery', () => {
  it('is tried again with growing pauses for a day, then given up, and told in the history', async () => {
    await addChannel('hook')
    await noteAlerts(env.DB, [alertOf()], NOON_MS)
    const url = 'https://hook.example.com/in?team=7'
    answers.set(url, () => Promise.resolve(new Response('no\u0007pe', { status: 500 })))
    const tries: number[] = []
    for (; nowMs < NOON_MS + 30 * HOUR_MS; nowMs += 60_000) {
      const before = received.length
      await deliverDue(env.DB, ports)
      if (received.length > before) tries.push((nowMs - NOON_MS) / 60_000)
    }
    expect(tries).toEqual([0, 1, 2, 4, 8, 16, 32, 64, 128, 256, 496, 736, 976, 1216, 1440])
    expect(await deliveries()).toMatchObject([
      { state: 'given-up', attempts: 15, last_error: 'HTTP 500: no pe', settled_at_ms: NOON_MS + 24 * HOUR_MS },
    ])
    expect([1, 2, 3, 9, 10, 11, 99].map((attempt) => retryDelayMs(attempt) / 1000)).toEqual([
      30, 60, 120, 7680, 14400, 14400, 14400,
    ])
  }, 60_000)

  it('heeds how long a receiver asks to wait, and gives up at once when it is gone', async () => {
    await addChannel('hook')
    await noteAlerts(env.DB, [alertOf()], NOON_MS)
    const url = 'https://hook.example.com/in?team=7'
    answers.set(url, () => Promise.resolve(new Response('', { status: 429, headers: { 'retry-after': '900' } })))
    await deliverDue(env.DB, ports)
    expect(await deliveries()).toMatchObject([
      { state: 'pending', next_at_ms: NOON_MS + 900_000, last_error: 'HTTP 429' },
    ])
    answers.set(url, () => Promise.resolve(new Response(null, { status: 410 })))
    nowMs += 900_000
    await deliverDue(env.DB, ports)
    expect(await deliveries()).toMatchObject([{ state: 'given-up', attempts: 2, last_error: 'HTTP 410' }])
  })

  it('by many at the same time sends each once', async () => {
    await addChannel('hook')
    await noteAlerts(
      env.DB,
      Array.from({ length: 30 }, (_, at) => alertOf({ what: `w${at}` })),
      NOON_MS,
    )
    const rounds = Array.from({ length: 10 }, () => deliverDue(env.DB, ports))
    const sent = (await Promise.all(rounds)).reduce((sum, { delivered }) => sum + delivered, 0)
    expect(sent).toBe(30)
    expect(new Set(received.map(({ headers }) => headers.get('webhook-id'))).size).toBe(30)
    expect(received).toHaveLength(30)
  })

  it('to a dead channel holds up no other, and the dead one is asked once, not for each alert', async () => {
    await addChannel('a-dead', { address: 'https://dead.example.com/' })
    await addChannel('b-alive')
    await noteAlerts(
      env.DB,
      Array.from({ length: 20 }, (_, at) => alertOf({ what: `w${at}` })),
      NOON_MS,
    )
    let give: (error: Error) => void = () => undefined
    answers.set('https://dead.example.com/', () => new Promise((_, reject) => void (give = reject)))
    const done = deliverDue(env.DB, ports)
    const alive = () => received.filter(({ url }) => url.startsWith('https://hook.')).length
    await expect.poll(alive).toBe(5)
    give(new Error('no route'))
    await done
    expect(alive()).toBe(20)
    expect(received.length).toBe(21)
    const states = await env.DB.prepare(
      `SELECT channel_id, state, sum(attempts) FROM alert_deliveries GROUP BY 1, 2 ORDER BY 1, 2`,
    ).raw()
    expect(states).toEqual([
      ['a-dead', 'pending', 1],
      ['b-alive', 'delivered', 20],
    ])
    answers.clear()
    nowMs += 60_000
    await deliverDue(env.DB, ports)
    expect(received).toHaveLength(41)
  })

  it('whose deliverer died is taken up again', async () => {
    await addChannel('hook')
    await noteAlerts(env.DB, [alertOf()], NOON_MS)
    let calls = 0
    const dying = new Proxy(env.DB, {
      get(target, property) {
        if (property === 'batch' && ++calls > 0) return () => Promise.reject(new Error('D1_ERROR: gone'))
        const value: unknown = Reflect.get(target, property)
        return typeof value === 'function' ? value.bind(target) : value
      },
    })
    await expect(deliverDue(dying, ports)).rejects.toThrow('gone')
    await deliverDue(env.DB, ports)
    expect(received).toHaveLength(1)
    nowMs += 240_000
    await deliverDue(env.DB, ports)
    expect(received).toHaveLength(2)
    expect(await deliveries()).toMatchObject([{ state: 'delivered', attempts: 2 }])
  })

  it('to a channel that was deleted or turned off is given up', async () => {
    await addChannel('gone')
    await addChannel('off')
    await noteAlerts(env.DB, [alertOf()], NOON_MS)
    await env.DB.batch([
      env.DB.prepare(`DELETE FROM alert_channels WHERE id = 'gone'`),
      env.DB.prepare(`UPDATE alert_channels SET is_on = 0 WHERE id = 'off'`),
    ])
    await deliverDue(env.DB, ports)
    expect((await deliveries()).map(({ state, last_error }) => [state, last_error])).toEqual([
      ['given-up', 'The channel was deleted.'],
      ['given-up', 'The channel is turned off.'],
    ])
    expect(received).toEqual([])
  })
})

describe('the admin API', () => {
  it('makes a webhook with a secret that it shows once, and never a secret after', async () => {
    const made = await call('POST', '/alert-channels', {
      kind: 'webhook',
      name: 'ops',
      url: 'https://hook.example.com/x',
    })
    const { id, secret } = z.object({ id: z.string(), secret: z.string() }).parse(made.body)
    expect(made).toMatchObject({ status: 201, body: { kind: 'webhook', url: 'https://hook.example.com/x', on: true } })
    expect(readSigningSecret(secret)).not.toBeNull()
    const slackUrl = 'https://hooks.slack.com/services/T0/B0/secretpart'
    await call('POST', '/alert-channels', { kind: 'slack', name: 'slack', url: slackUrl })
    const shown = JSON.stringify([
      await call('GET', '/alert-channels'),
      await call('GET', `/alert-channels/${id}`),
      await call('PATCH', `/alert-channels/${id}`, { secret: SECRET }),
      await call('GET', '/audit'),
    ])
    for (const hidden of [secret, SECRET, 'secretpart', 'sealed', 'v1.']) expect(shown).not.toContain(hidden)
    expect(shown).toContain('hooks.slack.com')
    const kept = await env.DB.prepare(`SELECT sealed FROM alert_channels WHERE id = ?1`).bind(id).first<ChannelRow>()
    expect(await unseal(MASTER, id, kept?.sealed ?? '')).toBe(SECRET)
  })

  it.each([
    [{ kind: 'pager', name: 'a' }, 'kind'],
    [{ kind: 'webhook', name: 'a' }, 'url'],
    [{ kind: 'webhook', name: 'a', url: 'nowhere' }, 'url'],
    [{ kind: 'webhook', name: 'a', url: 'https://10.0.0.1/' }, 'url'],
    [{ kind: 'webhook', name: 'a', url: 'http://example.com/' }, 'url'],
    [{ kind: 'webhook', name: 'a', url: 'https://example.com/', secret: 'short' }, 'secret'],
    [{ kind: 'webhook', name: 'a', url: 'https://example.com/', secret_name: 'OPENAI_API_KEY' }, 'secret_name'],
    [{ kind: 'webhook', name: 'a', url: 'https://example.com/', kinds: ['none'] }, 'kinds[0]'],
    [{ kind: 'webhook', name: 'a', url: 'https://example.com/', tenants: ['ten_none'] }, 'tenants[0]'],
    [{ kind: 'webhook', name: 'a', url: 'https://example.com/', keys: ['key_none'] }, 'keys[0]'],
    [{ kind: 'webhook', name: 'a', url: 'https://example.com/', color: 'red' }, 'color'],
    [{ kind: 'slack', name: 'a' }, 'url'],
    [{ kind: 'slack', name: 'a', url: 'https://127.0.0.1/' }, 'url'],
    [{ kind: 'slack', name: 'a', url: 'https://example.com/', secret_name: 'A_WEBHOOK_URL' }, 'secret_name'],
    [{ kind: 'email', name: 'a', address: 'nobody' }, 'address'],
    [{ kind: 'email', name: 'a', address: 'a@example.com', url: 'https://example.com/' }, 'url'],
  ])('names the field of %j that is wrong', async (body, field) => {
    const answer = await call('POST', '/alert-channels', body)
    expect(answer).toMatchObject({ status: 422, body: { error: { field } } })
    expect(await call('GET', '/alert-channels')).toMatchObject({ body: { rows: [] } })
  })

  it('refuses to keep a secret without a key for it, and a name twice', async () => {
    const body = { kind: 'webhook', name: 'ops', url: 'https://hook.example.com/x' }
    expect(await call('POST', '/alert-channels', body, { ALERT_KEY: 'short' })).toMatchObject({ status: 503 })
    expect(await call('POST', '/alert-channels', body)).toMatchObject({ status: 201 })
    expect(await call('POST', '/alert-channels', body)).toMatchObject({
      status: 409,
      body: { error: { field: 'name' } },
    })
  })

  it('tries a channel out and says what came back', async () => {
    await addChannel('mail', { kind: 'email', address: 'ops@example.com', sealed: null })
    const ALERT_MAIL = { send: async (mail: Mail) => void mails.push(mail) }
    const bound = { ALERT_MAIL, ALERT_MAIL_FROM: 'tidegate@example.com' }
    expect(await call('POST', '/alert-channels/mail/test', {}, bound)).toMatchObject({
      status: 200,
      body: { ok: true },
    })
    expect(mails).toMatchObject([{ to: 'ops@example.com', text: expect.stringContaining('only a test') }])
    expect(await call('POST', '/alert-channels/mail/test', {})).toMatchObject({
      body: { ok: false, saw: expect.stringContaining('ALERT_MAIL') },
    })
    expect(await call('POST', '/alert-channels/none/test', {})).toMatchObject({ status: 404 })
  })

  it('shows the history in pages, filtered, with what became of each delivery', async () => {
    await addNames()
    await addChannel('hook')
    const many = Array.from({ length: 5 }, (_, at) => alertOf({ what: `w${at}`, facts: { percent: at } }))
    await noteAlerts(env.DB, [...many, alertOf({ tenantId: 'ten_z', kind: 'runaway' })], NOON_MS)
    await deliverDue(env.DB, ports)
    const seen: string[] = []
    let next: string | null = null
    do {
      const page: { rows: { title: string }[]; next: string | null } = PAGE.parse(
        (await call('GET', `/alerts?tenant=acme&limit=2${next === null ? '' : `&before=${next}`}`)).body,
      )
      seen.push(...page.rows.map(({ title }) => title.slice(0, 3)))
      next = page.next
    } while (next !== null)
    expect(seen).toEqual(['4 %', '3 %', '2 %', '1 %', '0 %'])
    const states = (await deliveries()).map(({ state }) => state)
    expect(states.filter((state) => state === 'delivered')).toHaveLength(6)
    const one = await call('GET', '/alerts?kind=runaway')
    expect(one).toMatchObject({
      body: { rows: [{ tenant_id: 'ten_z', deliveries: [{ channel_id: 'hook', state: 'delivered' }] }] },
    })
    expect(await call('GET', '/alerts?key=key_1&state=given-up')).toMatchObject({ body: { rows: [], next: null } })
    for (const [asked, field] of [
      ['kind=x', 'kind'],
      ['limit=0', 'limit'],
      ['before=x', 'before'],
      ['tenant=none', 'tenant'],
      ['state=x', 'state'],
    ])
      expect(await call('GET', `/alerts?${asked}`)).toMatchObject({ status: 422, body: { error: { field } } })
  })
})

const PAGE = z.object({ rows: z.array(z.object({ title: z.string() })), next: z.nullable(z.string()) })

const admin = new Hono().route(
  '/admin',
  createAdmin({ services: [], nowMs: () => nowMs, probe: () => Promise.reject(new Error('none')) }),
)

async function call(method: string, path: string, body?: object, more: object = {}) {
  const headers = { authorization: `Bearer ${TOKEN}`, 'content-type': 'application/json' }
  const init = { method, headers, ...(body === undefined ? {} : { body: JSON.stringify(body) }) }
  const bindings = { DB: env.DB, ADMIN_TOKEN: TOKEN, ALERT_KEY: MASTER, ENVIRONMENT: 'local', ...more }
  const answer = await admin.request(`https://gateway.example.com/admin${path}`, init, bindings)
  const text = await answer.text()
  const parsed: unknown = text === '' ? null : JSON.parse(text)
  return { status: answer.status, body: parsed }
}

async function channelOf(id: string, fields: Partial<ChannelRow> = {}): Promise<ChannelRow> {
  return {
    id,
    name: id,
    kind: 'webhook',
    address: 'https://hook.example.com/in?team=7',
    sealed: await seal(MASTER, id, SECRET),
    secret_name: null,
    kinds: '[]',
    tenants: '[]',
    teams: '[]',
    keys: '[]',
    is_on: 1,
    origin: 'https://gateway.example.com',
    created_at_ms: 0,
    ...fields,
  }
}

async function addChannel(id: string, fields: Partial<ChannelRow> = {}): Promise<void> {
  const row = await channelOf(id, fields)
  const names = Object.keys(row)
  await env.DB.prepare(`INSERT INTO alert_channels (${names.join(', ')}) VALUES (${names.map(() => '?').join(', ')})`)
    .bind(...Object.values(row))
    .run()
}

async function addNames(): Promise<void> {
  await env.DB.batch([
    env.DB.prepare(
      `INSERT INTO tenants (id, name, cache_mode, cache_ttl_seconds, time_zone, created_at_ms) VALUES ('ten_a', 'acme', 'off', 60, 'UTC', 0)`,
    ),
    env.DB.prepare(`INSERT INTO teams (id, tenant_id, name, created_at_ms) VALUES ('team_1', 'ten_a', 'research', 0)`),
    env.DB.prepare(
      `INSERT INTO virtual_keys (id, kid, tenant_id, team_id, name, hashes, tags, models, created_at_ms)
       VALUES ('key_1', 'kid', 'ten_a', 'team_1', 'lab', '[]', '[]', '[]', 0)`,
    ),
  ])
}

async function someAlert(): Promise<AlertRow> {
  await noteAlerts(env.DB, [alertOf()], NOON_MS)
  const [alert] = await alerts()
  if (alert === undefined) throw new Error('no alert')
  return alert
}

async function alerts(): Promise<readonly AlertRow[]> {
  return (await env.DB.prepare(`SELECT * FROM alerts ORDER BY seq`).all<AlertRow>()).results
}

async function deliveries() {
  interface Row {
    readonly state: string
    readonly attempts: number
    readonly next_at_ms: number
    readonly last_error: string | null
  }
  return (
    await env.DB.prepare(`SELECT * FROM alert_deliveries ORDER BY channel_id DESC`).all<Row>()
  ).results.toReversed()
}

/** As the queue delivers a message of a tenant's limiter. */
async function deliverEvents(outboxId: number, events: string, tenantId = 'ten_a') {
  const confirmed: [string, readonly number[]][] = []
  const message: Delivery = {
    id: `m${outboxId}`,
    body: { v: 1, tenantId, outboxId, events },
    attempts: 1,
    ack: () => undefined,
    retry: () => undefined,
  }
  const hasAlerts = await consume([message], 'usage', {
    db: env.DB,
    nowMs: () => nowMs,
    confirm: async (tenant, ids) => void confirmed.push([tenant, ids]),
    log: () => undefined,
  })
  return { confirmed, hasAlerts }
}
