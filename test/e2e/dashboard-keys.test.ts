// A real browser on the real gateway: virtual keys are minted, limited, raised, ended and revoked in the dashboard, and what
// it shows of them is what the gateway does. One system for all; each test has keys of its own.
import type { Browser, BrowserContextOptions } from 'playwright-core'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import * as z from 'zod/mini'
import {
  ask,
  clientOf,
  createTenant,
  eventually,
  type MintedKey,
  mintKey,
  routeSimulated,
  says,
} from '../support/account.ts'
import { TEST_ADMIN_TOKEN, type TestSystem, startTestSystem } from '../support/system.ts'
import { launchBrowser, whyNoBrowser } from './browser.ts'
import { explainRequests } from './dashboard-explain.ts'
import { barriers, expectLoaded, keepPicture, overflowOf, startReceiver } from './dashboard-page.ts'
import { rotateKey } from './dashboard-rotation.ts'

const SCRIPT_NAME = '<script>window.stolen = 1</script><img src=x onerror="window.stolen = 2">'
const MODEL = 'sim-gpt-4o-fast'
/** Longer than the way into the ledger and a refresh together. */
const WAIT_MS = 40_000
const VIEWER: BrowserContextOptions = {
  viewport: { width: 1440, height: 900 },
  locale: 'en-US',
  timezoneId: 'Europe/Zurich',
}

const noBrowser = whyNoBrowser()
if (noBrowser !== null) console.warn(`dashboard tests skipped: ${noBrowser}`)

describe.skipIf(noBrowser !== null)('keys in the dashboard', () => {
  let system: TestSystem
  let browser: Browser
  let first: MintedKey
  const closers: (() => Promise<unknown>)[] = []

  beforeAll(async () => {
    system = await startTestSystem({
      dashboard: true,
      secrets: { ALERT_KEY: 'master-key-of-the-tests-of-the-dashboard' },
    })
    first = await createTenant(system, 'acme', { limits: { budget: { amount_usd: '500', period: 'month' } } })
    await system.admin('POST', '/admin/teams', {
      tenant: 'acme',
      name: 'search',
      limits: { tokens_per_minute: 200_000 },
    })
    await routeSimulated(system)
    browser = await launchBrowser()
  })
  afterEach(async () => {
    for (const close of closers.splice(0).reverse()) await close()
  })
  afterAll(async () => {
    await browser?.close()
    await system?.dispose()
  })

  /** A page of its own, signed in, at `at`; `complaints` gathers everything the browser objects to. */
  async function open(at: string, options: BrowserContextOptions = {}) {
    const context = await browser.newContext({ ...VIEWER, ...options })
    closers.push(() => context.close())
    const page = await context.newPage()
    page.setDefaultTimeout(WAIT_MS)
    const complaints: string[] = []
    page.on('pageerror', (error) => complaints.push(error.message))
    page.on('console', (message) => {
      if (message.type() === 'error' && !message.text().includes('Failed to load resource'))
        complaints.push(message.text())
    })
    await page.addInitScript(`sessionStorage.setItem('tidegate.admin-token', '${TEST_ADMIN_TOKEN}')`)
    await page.goto(`${system.url}/dashboard/${at}`)
    return { page, complaints }
  }

  async function spend(key: string): Promise<void> {
    const response = await ask(system, key, { model: MODEL, messages: says('What does this cost?') })
    expect(response.status).toBe(200)
    await response.text()
  }

  async function limitsOf(id: string): Promise<unknown> {
    const { body } = await system.admin('GET', `/admin/keys/${id}`)
    return typeof body === 'object' && body !== null && 'limits' in body ? body.limits : null
  }

  test('the pages are links that the keyboard, the address and the browser’s own ways lead to', async () => {
    const { page, complaints } = await open('')
    await page.getByRole('heading', { name: 'Overview' }).waitFor()
    await page.getByRole('link', { name: 'Keys' }).focus()
    await page.keyboard.press('Enter')
    await page.getByRole('heading', { name: 'Keys', exact: true }).waitFor()
    expect(new URL(page.url()).pathname).toBe('/dashboard/keys')
    await expect.poll(() => page.evaluate('document.activeElement.tagName')).toBe('H1')
    expect(await page.title()).toBe('Keys · Tidegate')
    await page.getByRole('link', { name: 'Routes' }).click()
    await page.getByRole('heading', { name: 'Routes' }).waitFor()
    await page.goBack()
    await page.getByRole('heading', { name: 'Keys', exact: true }).waitFor()
    await page.reload()
    await page.getByRole('heading', { name: 'Keys', exact: true }).waitFor()
    await page.goto(`${system.url}/dashboard/nowhere`)
    await page.getByRole('heading', { name: 'No such page' }).waitFor()
    expect((await fetch(`${system.url}/dashboard/assets/nothing.js`)).status).toBe(404)
    expect(complaints).toEqual([])
  })

  test('a key that is minted here works, is shown once, and spends what its line then says', async () => {
    const { page, complaints } = await open('keys')
    await page.getByRole('button', { name: 'Mint a key' }).click()
    const dialog = page.getByRole('dialog')
    await dialog.getByLabel('Team').selectOption({ label: 'search' })
    await dialog.getByLabel('Name').fill('ranker')
    await dialog.getByLabel('US dollars').fill('a lot')
    await dialog.getByRole('button', { name: 'Mint the key' }).click()
    await dialog.getByText('Must be decimal text').waitFor()
    const amount = dialog.getByLabel('US dollars')
    expect(await amount.getAttribute('aria-invalid')).toBe('true')
    await expect.poll(() => page.evaluate('document.activeElement.id')).toBe(await amount.getAttribute('id'))
    await amount.fill('25')
    await dialog.getByLabel('Alert at per cent').fill('40, 90')
    await dialog.getByRole('button', { name: 'Mint the key' }).click()
    const secret = (await dialog.locator('.command code').textContent()) ?? ''
    await keepPicture(page, 'key-minted')
    const models = await clientOf(system, secret).models.list()
    expect(models.data.length).toBeGreaterThan(0)
    await spend(secret)
    await dialog.getByRole('button', { name: 'Close' }).click()
    await dialog.waitFor({ state: 'detached' })

    const line = page.locator('.keys-table tbody tr').filter({ hasText: 'ranker' })
    await line.getByText('$25.00 per day').waitFor()
    await expect.poll(() => line.locator('.cell-month').textContent(), { timeout: WAIT_MS }).not.toBe('$0.00')
    expect(await line.locator('.cell-month').textContent()).toBe(await line.locator('.cell-today').textContent())
    await line.getByText('within the hour').waitFor()
    expect(await page.content()).not.toContain(secret)
    expect(complaints).toEqual([])
  })

  test('a key’s page has its limits at every level as they stand, its spend and its latest requests', async () => {
    const { id, key } = await mintKey(system, 'acme', 'reader', {
      team: 'search',
      limits: { budget: { amount_usd: '0.01', period: 'day' }, rules: [{ kind: 'concurrency', most: 4 }] },
    })
    await spend(key)
    await spend(key)
    // The page's first answer has it.
    await eventually(
      async () => JSON.stringify((await system.admin('GET', `/admin/reports?metrics=requests&key=${id}`)).body),
      (said) => said.includes('"requests":2'),
    )
    const { page, complaints } = await open(`keys/${id}`)
    await page.getByRole('heading', { name: 'reader' }).waitFor()
    const limits = page.locator('.limits-table tbody tr')
    await expect.poll(() => limits.count()).toBe(4)
    const said = (await limits.allTextContents()).join('\n')
    for (const part of [
      'tenantacme',
      '$500.00 per month',
      'teamsearch',
      '200,000 tokens per minute',
      'Requests at once',
      '50 %, 80 %, 100 %',
    ]) {
      expect(said).toContain(part)
    }
    await expect.poll(() => page.locator('.tile-requests .tile-value').textContent(), { timeout: WAIT_MS }).toBe('2')
    await page.locator('.chart canvas').waitFor()
    expect(await page.locator('.requests-table tbody tr').count()).toBe(2)
    const spent = await page.locator('.tile-spend .tile-value data').getAttribute('value')
    const { body } = await system.admin('GET', `/admin/reports?metrics=spend&key=${id}`)
    expect(JSON.stringify(body)).toContain(String(Math.round(Number(spent) * 1e9)))
    expect(complaints).toEqual([])
  })

  test('limits and thresholds are changed, and an amount that isn’t one is said at its field', async () => {
    const { id } = await mintKey(system, 'acme', 'changed', { limits: { budget: { amount_usd: '10', period: 'day' } } })
    const { page, complaints } = await open(`keys/${id}`)
    await page.getByRole('button', { name: 'Change limits' }).click()
    const dialog = page.getByRole('dialog')
    await dialog.getByLabel('Alert at per cent').fill('25, ninety')
    await dialog.getByRole('button', { name: 'Save limits' }).click()
    await dialog.locator('.wrong').getByText('Must be an integer').waitFor()
    await dialog.getByLabel('Alert at per cent').fill('25, 90')
    await dialog.getByRole('button', { name: 'Add rate' }).click()
    await dialog.getByLabel('Per minute').fill('120')
    await dialog.getByLabel('Of', { exact: true }).selectOption('requests')
    await keepPicture(page, 'key-limits')
    await dialog.getByRole('button', { name: 'Save limits' }).click()
    await page.getByText('The limits are changed.').waitFor()
    await page.locator('.limits-table').getByText('25 %, 90 %').waitFor()
    await page.locator('.limits-table').getByText('120 requests per minute').waitFor()
    expect(await limitsOf(id)).toMatchObject({
      budget: null,
      rules: [
        { kind: 'budget', amount_usd: '10.00', period: 'day', alerts_percent: [25, 90] },
        { kind: 'rate', unit: 'requests', per_minute: 120 },
      ],
    })
    expect(complaints).toEqual([])
  })

  test('a budget is raised for a while and lets through what it refused', async () => {
    const { id, key } = await mintKey(system, 'acme', 'raised', {
      limits: { budget: { amount_usd: '0.000001', period: 'month' } },
    })
    expect((await ask(system, key, { model: MODEL, messages: says('Hello'), max_tokens: 20 })).status).toBe(402)
    const { page } = await open(`keys/${id}`)
    await page.getByRole('button', { name: 'Raise a limit for a while' }).click()
    const dialog = page.getByRole('dialog')
    await dialog.getByLabel('Raise it by').fill('5')
    await dialog.getByRole('button', { name: 'Raise it', exact: true }).click()
    await page.locator('.limits-table').getByText('raised by $5.00 until').waitFor()
    const asked = () => ask(system, key, { model: MODEL, messages: says('Hello'), max_tokens: 20 })
    await eventually(
      async () => (await asked()).status,
      (status) => status === 200,
    )
  })

  test('an end is set and taken away, and one in the past is refused at its field', async () => {
    const { id } = await mintKey(system, 'acme', 'ending')
    const { page } = await open(`keys/${id}`)
    await page.getByRole('button', { name: 'Set its end' }).click()
    const dialog = page.getByRole('dialog')
    await dialog.getByLabel('Expires at').fill('2020-01-01T00:00')
    await dialog.getByRole('button', { name: 'Set this end' }).click()
    await dialog.locator('.wrong').getByText('Must be in the future').waitFor()
    await dialog.getByLabel('Expires at').fill('2040-07-01T12:30')
    await dialog.getByRole('button', { name: 'Set this end' }).click()
    await page.locator('.facts').getByText('Jul 1, 2040, 12:30').waitFor()
    // The viewer is in Zurich, two hours ahead in summer.
    expect(JSON.stringify((await system.admin('GET', `/admin/keys/${id}`)).body)).toContain(
      String(Date.UTC(2040, 6, 1, 10, 30)),
    )
    await page.getByRole('button', { name: 'Set its end' }).click()
    await dialog.getByRole('button', { name: 'Let it never expire' }).click()
    await page.locator('.facts').getByText('never').waitFor()
  })

  test('a key is rotated: its new secret is shown once, the old one works until somebody ends it', async () => {
    const { id, key } = await mintKey(system, 'acme', 'turned')
    const { page, complaints } = await open(`keys/${id}`)
    await rotateKey(page, { key, ask: (secret) => ask(system, secret, { model: MODEL, messages: says('Hello') }) })
    expect(complaints).toEqual([])
  })

  test('a key is revoked only after a second word, stops working, and leaves the list of active ones', async () => {
    const { id, key } = await mintKey(system, 'acme', 'goner')
    await spend(key)
    const { page } = await open(`keys/${id}`)
    await page.getByRole('button', { name: 'Revoke' }).click()
    const dialog = page.getByRole('dialog')
    await dialog.getByRole('button', { name: 'Close' }).click()
    await spend(key)
    await page.getByRole('button', { name: 'Revoke' }).click()
    await keepPicture(page, 'key-revoke')
    await dialog.getByRole('button', { name: 'Revoke it for good' }).click()
    await page.getByText('The key is revoked.').waitFor()
    await page.locator('.facts').getByText('revoked').waitFor()
    expect((await ask(system, key, { model: MODEL, messages: says('Hello') })).status).toBe(401)
    await page.getByRole('link', { name: 'Keys', exact: true }).first().click()
    await page.locator('.keys-table').waitFor()
    expect(await page.locator('.keys-table').getByText('goner').count()).toBe(0)
    await page.getByRole('radio', { name: 'All' }).check()
    await page.locator('.keys-table').getByText('goner').waitFor()
  })

  test('a key named like a script is text on every page', async () => {
    const { id } = await mintKey(system, 'acme', SCRIPT_NAME, {
      limits: { budget: { amount_usd: '1', period: 'day' } },
    })
    const { page, complaints } = await open('keys')
    await page.getByRole('link', { name: SCRIPT_NAME }).click()
    await page.getByRole('heading', { name: SCRIPT_NAME }).waitFor()
    expect(new URL(page.url()).pathname).toBe(`/dashboard/keys/${id}`)
    await page.getByRole('button', { name: 'Revoke' }).click()
    await page.getByRole('dialog').getByText(SCRIPT_NAME).first().waitFor()
    expect(await page.evaluate('typeof window.stolen')).toBe('undefined')
    expect(await page.locator('img').count()).toBe(0)
    expect(complaints).toEqual([])
  })

  test('routes show their targets in order with price and health, and a request is explained', async () => {
    const { page, complaints } = await open('routes')
    const routes = page.locator('.route')
    await routes.first().waitFor()
    expect(await routes.count()).toBe(2)
    await page.locator('.route').filter({ hasText: 'sim-gpt*' }).getByText('simulated-openai/any model').waitFor()
    await explainRequests(page, { key: first.key, model: MODEL })
    expect(complaints).toEqual([])
  })

  test('what the operator sees of a key’s limits is what the key is told of them', async () => {
    const { id, key } = await mintKey(system, 'acme', 'told', {
      team: 'search',
      limits: { tokens_per_minute: 9_000, budget: { amount_usd: '3', period: 'week' } },
    })
    const told = await fetch(`${system.url}/v1/limits`, { headers: { authorization: `Bearer ${key}` } })
    const seen = await system.admin('GET', `/admin/keys/${id}/limits`)
    const shape = z.object({
      data: z.array(z.object({ scope: z.string(), kind: z.string(), model: z.nullable(z.string()) })),
    })
    const limits = shape.parse(seen.body).data
    expect(limits).toEqual(shape.parse(await told.json()).data)
    expect(limits.map(({ scope, kind }) => `${scope} ${kind}`)).toEqual([
      'tenant budget',
      'team rate',
      'key rate',
      'key budget',
    ])
    expect((await system.admin('GET', '/admin/keys/key_none/limits')).status).toBe(404)
  })

  test('a threshold that is crossed stands in the history, overall and of its key, and a channel is tried out', async () => {
    const { id, key } = await mintKey(system, 'acme', 'crosser', {
      limits: { rules: [{ kind: 'budget', amount_usd: '0.01', period: 'day', alerts_percent: [1] }] },
    })
    await spend(key)
    const { page, complaints } = await open('alerts')
    await page.locator('.alert').getByText('1 % of the daily budget of').first().waitFor()
    await page.locator('.alert').filter({ hasText: 'crosser' }).getByRole('link', { name: 'crosser' }).click()
    await page.getByRole('heading', { name: 'crosser' }).waitFor()
    expect(new URL(page.url()).pathname).toBe(`/dashboard/keys/${id}`)
    await page.locator('.panel-alerts .alert').first().waitFor()
    expect(await page.locator('.panel-alerts .alert').count()).toBe(1)

    const receiver = await startReceiver([204, 500])
    closers.push(() => receiver.close())
    await page.getByRole('link', { name: 'Overview' }).click()
    await page
      .locator('.panel-budgets .budget')
      .filter({ hasText: 'crosser' })
      .getByText('of $0.0100 per day')
      .waitFor()
    await page.getByRole('link', { name: 'Alerts' }).click()
    await page.getByRole('button', { name: 'Add a channel' }).click()
    const dialog = page.getByRole('dialog')
    await dialog.getByLabel('Name').fill('operations')
    await dialog.getByLabel('URL').fill('no address')
    await dialog.getByRole('button', { name: 'Add it' }).click()
    await dialog.locator('.wrong .field-error').waitFor()
    await dialog.getByLabel('URL').fill(receiver.url)
    await dialog.getByLabel('Tell it of').selectOption('runaway')
    await dialog.getByRole('button', { name: 'Add it' }).click()
    await dialog.getByText('whsec_').waitFor()
    await dialog.getByRole('button', { name: 'Close' }).click()
    await page.getByRole('button', { name: 'Test operations' }).click()
    await page.locator('.channel').getByText('The test arrived: 204').waitFor()
    expect(receiver.received.join('')).toContain('only a test')
    await page.getByRole('button', { name: 'Test operations' }).click()
    await page.locator('.channel').getByText('The test didn’t arrive').waitFor()
    await page.getByRole('button', { name: 'Switch off operations' }).click()
    await page.locator('.channel .badge').getByText('off').waitFor()
    await page.getByRole('button', { name: 'Remove operations' }).click()
    await dialog.getByRole('button', { name: 'Remove it' }).click()
    await page.getByText('Nobody is told of alerts yet').waitFor()
    expect(complaints).toEqual([])
  })

  /** Every width and every colour once: axe and a layout of each page take seconds. */
  const LOOKS: readonly { name: string; options: BrowserContextOptions }[] = [
    { name: 'light', options: {} },
    { name: 'dark phone', options: { viewport: { width: 390, height: 844 }, colorScheme: 'dark' } },
  ]
  test.each(LOOKS)('every page holds its shape and has no serious barrier: $name', async ({ name, options }) => {
    const pages = [
      { at: '', ready: '.tiles' },
      { at: 'keys', ready: '.keys-table' },
      { at: `keys/${first.id}`, ready: '.limits-table' },
      { at: 'routes', ready: '.route' },
      { at: 'alerts', ready: '.panel' },
    ]
    await spend(first.key)
    const { page, complaints } = await open('', options)
    for (const { at, ready } of pages) {
      await page.goto(`${system.url}/dashboard/${at}`)
      await page.locator(ready).first().waitFor()
      await expectLoaded(page)
      await keepPicture(page, `${ready.slice(1)}-${name}`, { fullPage: true })
      expect(await overflowOf(page), at).toBe(0)
      expect(await barriers(page), at).toEqual([])
      expect(complaints).toEqual([])
    }
    await page.goto(`${system.url}/dashboard/keys`)
    await page.getByRole('button', { name: 'Mint a key' }).click()
    await page.getByRole('dialog').waitFor()
    await keepPicture(page, `mint-${name}`)
    expect(await barriers(page)).toEqual([])
  })
})
