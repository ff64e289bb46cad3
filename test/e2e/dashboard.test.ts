// The dashboard in a real browser: built as it is deployed, served as static files, its admin API scripted so that every
// figure on the page can be checked by hand. Pictures go to dist/screenshots for whoever sets `SCREENSHOTS`.
import path from 'node:path'
import type { Browser, BrowserContextOptions, Page, Route } from 'playwright-core'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import type { ApiRequestRow } from '../../src/dashboard/api-types.ts'
import { launchBrowser, whyNoBrowser } from './browser.ts'
import { attempt, FRESH_OVERVIEW, handChecked, manyKeys, OVERVIEW, SCRIPT_NAME, traffic } from './dashboard-data.ts'
import {
  barriers,
  expectCount,
  keepPicture,
  expectText,
  overflowOf,
  rowsOf,
  signIn,
  WAIT_MS,
} from './dashboard-page.ts'
import { ADMIN_TOKEN, type DashboardSite, type Script, serveDashboard } from './dashboard-site.ts'

/** Built before the run, as running systems serve it. */
const ASSETS = path.resolve(import.meta.dirname, '../../dist/assets')
/** The page asks again this long after an answer. */
const REFRESH_MS = 5_000
const VIEWER = { viewport: { width: 1440, height: 1000 }, locale: 'en-US', timezoneId: 'Europe/Zurich' }
/** What bounds the time that a list takes, however many keys there are. `npm run bench:dashboard` says how long it is. */
const LINES_MAX = 50
const ELEMENTS_MAX = 2_500
const ANSWER_BYTES_MAX = 64 * 1_024

/** Every width that the page is laid out for, and both colours. */
const LOOKS: readonly { name: string; options: BrowserContextOptions; range: string }[] = [
  { name: 'wide-light', options: { viewport: { width: 1440, height: 1000 } }, range: '7d' },
  { name: 'tablet', options: { viewport: { width: 900, height: 1100 } }, range: '30d' },
  { name: 'phone-dark', options: { viewport: { width: 360, height: 740 }, colorScheme: 'dark' }, range: '1h' },
]

const noBrowser = whyNoBrowser()
if (noBrowser !== null) console.warn(`dashboard tests skipped: ${noBrowser}`)

describe.skipIf(noBrowser !== null)('the dashboard', () => {
  let browser: Browser
  const closers: (() => Promise<unknown>)[] = []

  beforeAll(async () => {
    browser = await launchBrowser()
  })
  afterEach(async () => {
    for (const close of closers.splice(0).reverse()) await close()
  })
  afterAll(() => browser?.close())

  /** A page of its own on a site of its own; `complaints` gathers everything the browser objects to. */
  async function open(script: Partial<Script>, options: BrowserContextOptions = {}): Promise<Opened> {
    const site = await serveDashboard(ASSETS, {
      overview: OVERVIEW,
      attempts: [],
      gate: Promise.resolve(),
      refusal: null,
      calls: [],
      ...script,
    })
    closers.push(() => site.close())
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
    return { site, page, complaints }
  }

  test('a wrong token is refused with a clear message, and nothing is kept', async () => {
    const { page, site } = await open({})
    await page.goto(`${site.url}/dashboard/`)
    await signIn(page, 'wrong')
    await page.getByRole('alert').getByText('That token is not accepted.').waitFor()
    expect(await page.evaluate('sessionStorage.length')).toBe(0)
    expect(site.script.calls).toEqual([])
  })

  test('a closed admin API says how to open it', async () => {
    const { page, site } = await open({ refusal: { status: 503, code: 'admin_closed', message: 'closed' } })
    await page.goto(`${site.url}/dashboard/`)
    await signIn(page, ADMIN_TOKEN)
    await page.getByRole('alert').getByText('wrangler secret put ADMIN_TOKEN').waitFor()
  })

  test('the right token opens the overview, outlives a reload, and is gone after signing out', async () => {
    const { page, site, complaints } = await open({ attempts: handChecked(Date.now()) })
    await page.goto(`${site.url}/dashboard/`)
    await signIn(page, ADMIN_TOKEN)
    await page.getByRole('heading', { name: 'Overview' }).waitFor()
    await page.reload()
    await page.getByRole('heading', { name: 'Overview' }).waitFor()
    await page.getByRole('button', { name: 'Sign out' }).click()
    await page.getByLabel('Admin token').waitFor()
    expect(await page.evaluate('sessionStorage.length')).toBe(0)
    expect(complaints).toEqual([])
  })

  test('tiles, tables and requests show the amounts of the ledger, rounded to read and exact on hover', async () => {
    const { page, complaints } = await openSignedIn(open, { attempts: handChecked(Date.now()) })
    const tile = (name: string) => page.locator(`.tile-${name} .tile-value`)
    await expectText(tile('spend'), '$12.35')
    expect(await tile('spend').locator('data').getAttribute('title')).toBe('$12.345802357 exactly')
    expect(await tile('requests').textContent()).toBe('4')
    expect(await tile('errors').textContent()).toBe('1')
    expect(await tile('tokens').textContent()).toBe('2.45M')
    expect(await tile('cache-hits').textContent()).toBe('1')
    expect(await tile('saved').textContent()).toBe('$0.000366')

    expect(await rowsOf(page, '.panel-by-model')).toEqual([
      'claude-sonnet-4-5 | 1 | 2.45M | $12.35 | 100 %',
      'gpt-4o-mini | 1 | 123 | $0.000123 | <0.1 %',
      'No model reached | 2 | 0 | $0.00 | 0 %',
    ])
    expect(await page.locator('.panel-by-tenant tbody tr').count()).toBe(2)
    const requests = page.locator('.requests-table tbody tr')
    expect(await requests.count()).toBe(4)
    expect(await requests.nth(0).locator('.cell-cost').textContent()).toBe('$0.000123')
    expect(await requests.nth(2).locator('.cell-model').textContent()).toContain(
      'anthropic/claude-sonnet-4-5 · 2 attempts',
    )
    expect(complaints).toEqual([])
  })

  test('each budget shows its use and its alert state', async () => {
    const { page } = await openSignedIn(open, { attempts: handChecked(Date.now()) })
    const budgets = page.locator('.budget')
    await budgets.first().waitFor()
    const said = await budgets.evaluateAll((nodes: { className: string; textContent: string }[]) =>
      nodes.map((node) => node.className + ': ' + node.textContent),
    )
    expect(said[0]).toBe('budget exhausted: ranker-production keyExhausted$25.41 of $25.00 per day101.6 %')
    expect(said.map((line) => line.split(':')[0])).toEqual([
      'budget exhausted',
      'budget high',
      'budget half',
      'budget ok',
      'budget ok',
    ])
  })

  test('a request opens from the keyboard with all its fields and attempts, and gives focus back', async () => {
    const { page } = await openSignedIn(open, { attempts: handChecked(Date.now()) })
    const line = page.locator('.requests-table tbody tr').nth(2).getByRole('button')
    await line.focus()
    await page.keyboard.press('Enter')
    const dialog = page.getByRole('dialog')
    await dialog.waitFor()
    const text = (await dialog.textContent()) ?? ''
    for (const part of [
      'req_fallback',
      '$12.345678901',
      'overloaded',
      'tgt_anthropic',
      '4bf92f3577b34da6a3ce929d0e0e4736',
    ]) {
      expect(text).toContain(part)
    }
    expect(await dialog.locator('.attempts li').count()).toBe(2)
    await keepPicture(page, 'detail')
    await page.keyboard.press('Escape')
    await dialog.waitFor({ state: 'detached' })
    expect(await page.evaluate("document.activeElement.closest('tr').rowIndex")).toBe(3)
  })

  test('a key named like a script is text wherever it stands', async () => {
    const { page, complaints } = await openSignedIn(open, { attempts: handChecked(Date.now()) })
    await page.getByRole('radio', { name: 'key', exact: true }).check()
    await page.locator('.legend').getByText(SCRIPT_NAME).waitFor()
    await page.locator('.panel-by-key').getByText(SCRIPT_NAME).waitFor()
    await page.locator('.requests-table').getByText(SCRIPT_NAME).waitFor()
    expect(await page.evaluate('typeof window.stolen')).toBe('undefined')
    expect(await page.locator('img').count()).toBe(0)
    expect(complaints).toEqual([])
  })

  test('what was shown stays when a refresh fails, and is brought up to date when it works again', async () => {
    const first = handChecked(Date.now())
    const { page, site } = await openWithClock(open, { attempts: first })
    await expectText(page.locator('.tile-requests .tile-value'), '4')
    site.script.refusal = { status: 500, code: 'internal', message: 'The ledger is busy.' }
    await page.clock.fastForward(REFRESH_MS)
    await page.getByRole('alert').getByText('The ledger is busy.').waitFor()
    expect(await page.locator('.tile-spend .tile-value').textContent()).toBe('$12.35')
    await keepPicture(page, 'failing')
    site.script.refusal = null
    site.script.attempts = [attempt({ request_id: 'req_new', started_at_ms: Date.now() }), ...first]
    await page.getByRole('button', { name: 'Try now' }).click()
    await expectText(page.locator('.tile-requests .tile-value'), '5')
    await page.getByText('The ledger is busy.').waitFor({ state: 'detached' })
  })

  test('what is asked for while an older answer is on its way is read after it', async () => {
    const first = handChecked(Date.now())
    const { page, site } = await openWithClock(open, { attempts: first })
    const lines = page.locator('.requests-table tbody tr')
    await expectCount(lines, 4)
    site.script.refusal = { status: 500, code: 'internal', message: 'The ledger is busy.' }
    // A call that is under way while the clock jumps would seem to have taken as long.
    const isRefused = page.waitForResponse(/\/admin\/requests\?/)
    await page.clock.fastForward(REFRESH_MS)
    await (await isRefused).finished()
    await page.getByRole('alert').getByText('The ledger is busy.').waitFor()
    site.script.refusal = null
    const [isAnswered, gate] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
    const hold = async (route: Route): Promise<void> => {
      const response = await route.fetch()
      isAnswered.resolve()
      await gate.promise
      await route.fulfill({ response })
    }
    await page.route('**/admin/requests?*', hold, { times: 1 })
    // It fails again and again until then; from here on nothing falls due by itself.
    await page.clock.pauseAt(Number(await page.evaluate('Date.now()')) + 2 * REFRESH_MS)
    await isAnswered.promise
    site.script.attempts = [attempt({ request_id: 'req_new', started_at_ms: Date.now() }), ...first]
    await page.getByRole('button', { name: 'Try now' }).click()
    gate.resolve()
    await expectCount(lines, 5)
  })

  test('a token that is revoked while the page is open leads back to the sign-in', async () => {
    const { page, site } = await openWithClock(open, { attempts: handChecked(Date.now()) })
    await page.locator('.requests-table').waitFor()
    site.script.refusal = { status: 401, code: 'unauthorized', message: 'no' }
    await page.clock.fastForward(REFRESH_MS)
    await page.getByRole('alert').getByText('no longer accepted').waitFor()
    expect(await page.evaluate('sessionStorage.length')).toBe(0)
  })

  test('a gateway without traffic says what is left to do, and at last the command to try, with a model that is routed', async () => {
    const empty = { ...FRESH_OVERVIEW, tenants: [], key_counts: [], routes: [], targets: [] }
    const { page, site, complaints } = await openWithClock(open, { overview: empty })
    await page.getByRole('heading', { name: '4 steps to the first request' }).waitFor()
    expect(await page.getByRole('link', { name: 'add one' }).getAttribute('href')).toBe('/dashboard/access')
    expect(await barriers(page)).toEqual([])
    site.script.overview = { ...empty, has_credentials: true }
    await page.clock.fastForward(REFRESH_MS)
    await page.getByText(`curl ${site.url}/admin/targets`).waitFor()
    site.script.overview = FRESH_OVERVIEW
    await page.clock.fastForward(REFRESH_MS)
    await page.getByRole('heading', { name: 'Waiting for the first request' }).waitFor()
    const command = (await page.locator('.command code').textContent()) ?? ''
    expect(command).toContain(`curl ${site.url}/v1/chat/completions`)
    expect(command).toContain('"model":"gpt-4o-mini"')
    await keepPicture(page, 'empty', { fullPage: true })
    await page.getByRole('button', { name: 'Hide' }).click()
    await expectCount(page.locator('.first-request'), 0)
    expect(complaints).toEqual([])
  })

  test('a browser that can’t draw the chart still shows every figure', async () => {
    const { page, site } = await open({ attempts: handChecked(Date.now()) })
    await page.addInitScript("Object.defineProperty(navigator, 'language', { value: 'en-US@posix' })")
    await page.goto(`${site.url}/dashboard/`)
    await signIn(page, ADMIN_TOKEN)
    await page.getByText('can’t draw the chart').waitFor()
    await expectText(page.locator('.tile-spend .tile-value'), '$12.35')
    await page.getByText('Figures as a table').click()
    await page.locator('.chart-table').getByText('$12.35').waitFor()
  })

  test('older requests stay on the page through a refresh', async () => {
    const nowMs = Date.now()
    const { page, site } = await openWithClock(open, { attempts: traffic(nowMs, 120, 7) })
    const lines = page.locator('.requests-table tbody tr')
    await lines.first().waitFor()
    expect(await lines.count()).toBe(50)
    await page.getByRole('button', { name: 'Show older requests' }).click()
    await expectCount(lines, 100)
    site.script.attempts = [attempt({ request_id: 'req_new', started_at_ms: nowMs }), ...site.script.attempts]
    await page.clock.fastForward(REFRESH_MS)
    await expectCount(lines, 101)
  })

  test('the range and the split stay in the address, and only what is needed is asked for', async () => {
    const { page, site } = await openSignedIn(open, { attempts: traffic(Date.now(), 200, 7) })
    await page.getByRole('radio', { name: '30d' }).check()
    await page.getByRole('radio', { name: 'tenant', exact: true }).check()
    await page.locator('.legend').getByText('Acme').waitFor()
    expect(new URL(page.url()).hash).toBe('#range=30d&by=tenant')
    expect(site.script.calls.some((call) => call.includes('by=tenant&bucket=day'))).toBe(true)
    await page.reload()
    await page.locator('.legend').getByText('Acme').waitFor()
    expect(await page.getByRole('radio', { name: '30d' }).isChecked()).toBe(true)
  })

  test.each(LOOKS)('it holds its shape: $name', async ({ name, options, range }) => {
    const { page, complaints } = await openSignedIn(open, { attempts: traffic(Date.now(), 900, 11) }, options, range)
    await page.locator('.chart canvas').waitFor()
    await page.locator('.requests-table').waitFor()
    await keepPicture(page, name, { fullPage: true })
    expect(await overflowOf(page)).toBe(0)
    expect(complaints).toEqual([])
  })

  test('ten thousand keys are listed, searched, sorted and turned by reading and drawing fifty at a time', async () => {
    const sizes: number[] = []
    const script = { ...manyKeys(10_000), attempts: traffic(Date.now(), 900, 5), sizes }
    const { page, site, complaints } = await openSignedIn(open, script)
    const lines = page.locator('.keys-table tbody tr')
    const steps: readonly [says: string, act: () => Promise<void>][] = [
      ['1–50 of 7,500', () => page.getByRole('link', { name: 'Keys', exact: true }).click()],
      ['51–100 of 7,500', () => page.getByRole('button', { name: 'Next' }).click()],
      ['1–50 of 10,000', () => page.getByRole('radio', { name: 'All' }).check()],
      ['service-9998', () => page.getByLabel('Search keys').fill('service-9998')],
      ['1–50 of 10,000', () => page.getByLabel('Search keys').fill('')],
      ['service-0', () => page.getByRole('button', { name: 'Key', exact: true }).click()],
    ]
    for (const [says, act] of steps) {
      await act()
      await page.locator('.panel-keys').getByText(says).first().waitFor()
      expect(await lines.count(), says).toBeLessThanOrEqual(LINES_MAX)
      expect(await page.locator('*').count(), says).toBeLessThanOrEqual(ELEMENTS_MAX)
    }
    // One read for each thing that was asked for, however often it is read again; none of them has every key in it.
    const asked = new Set(site.script.calls.filter((call) => call.startsWith('/admin/keys/lines')))
    expect(asked.size).toBe(steps.length - 1)
    expect(Math.max(...sizes)).toBeLessThanOrEqual(ANSWER_BYTES_MAX)
    expect(await lines.count()).toBe(LINES_MAX)
    expect(await lines.first().locator('.name').first().textContent()).toBe('service-0')
    expect(await page.locator('th[aria-sort=ascending]').textContent()).toContain('Key')
    await page.getByRole('button', { name: 'Budget' }).click()
    expect(await lines.first().locator('.cell-budget').textContent()).toContain('%')
    await page.keyboard.press('/')
    expect(await page.evaluate('document.activeElement.type')).toBe('search')
    expect(new URL(page.url()).search).toBe('?state=all&sort=budget')
    await page.reload()
    await page.locator('.panel-keys').getByText('1–50 of 10,000').waitFor()
    expect(await page.locator('th[aria-sort=descending]').textContent()).toContain('Budget')
    expect(complaints).toEqual([])
  })

  test('a gateway without keys says what a key is', async () => {
    const { page, site } = await openSignedIn(open, { overview: { ...FRESH_OVERVIEW, key_counts: [] }, keys: [] })
    await page.goto(`${site.url}/dashboard/keys`)
    await page.getByText('A virtual key is what an application sends').waitFor()
  })

  test('a language that is none doesn’t keep the chart from being drawn, also where its data comes last', async () => {
    const gate = Promise.withResolvers<void>()
    const { page, site, complaints } = await open({ attempts: handChecked(Date.now()), gate: gate.promise })
    await page.addInitScript("Object.defineProperty(Navigator.prototype, 'language', { get: () => 'en-US@posix' })")
    const isLoaded = page.waitForResponse(/spend-plot.+\.js$/)
    await page.goto(`${site.url}/dashboard/`)
    await signIn(page, ADMIN_TOKEN)
    await (await isLoaded).finished()
    gate.resolve()
    await page.locator('.chart canvas').waitFor()
    expect(complaints).toEqual([])
  })
})

interface Opened {
  readonly site: DashboardSite
  readonly page: Page
  readonly complaints: readonly string[]
}

type Open = (script: Partial<Script>, options?: BrowserContextOptions) => Promise<Opened>

async function openSignedIn(
  open: Open,
  script: { attempts?: readonly ApiRequestRow[] } & Partial<Script>,
  options?: BrowserContextOptions,
  range?: string,
): Promise<Opened> {
  return enter(await open(script, options), range)
}

/** The same with a clock that can be put forward, to a refresh that is not due yet. */
async function openWithClock(open: Open, script: Partial<Script>): Promise<Opened> {
  const opened = await open(script)
  await opened.page.clock.install()
  return enter(opened)
}

async function enter(opened: Opened, range = '24h'): Promise<Opened> {
  await opened.page.goto(`${opened.site.url}/dashboard/#range=${range}&by=model`)
  await signIn(opened.page, ADMIN_TOKEN)
  await opened.page.getByRole('heading', { name: 'Overview' }).waitFor()
  return opened
}
