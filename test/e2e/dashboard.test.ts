// The dashboard in a real browser: built as it is deployed, served as static files, its admin API scripted so that every
// figure on the page can be checked by hand. Screenshots go to dist/screenshots for whoever wants to look.
import { mkdirSync, readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { gzipSync } from 'node:zlib'
import type { Browser, BrowserContextOptions, Page } from 'playwright-core'
import { build } from 'vite'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import type { ApiRequestRow } from '../../src/dashboard/api-types.ts'
import { launchBrowser, whyNoBrowser } from './browser.ts'
import { attempt, FRESH_OVERVIEW, handChecked, manyKeys, OVERVIEW, SCRIPT_NAME, traffic } from './dashboard-data.ts'
import { barriers, expectCount, expectText, overflowOf, rowsOf, signIn, WAIT_MS } from './dashboard-page.ts'
import { ADMIN_TOKEN, type DashboardSite, type Script, serveDashboard } from './dashboard-site.ts'

const ROOT = path.resolve(import.meta.dirname, '../..')
/** A folder of its own: running systems serve the other one. */
const ASSETS = path.join(ROOT, 'dist/assets-of-tests')
const SCREENSHOTS = path.join(ROOT, 'dist/screenshots')
/** The page asks again this long after an answer. */
const REFRESH_MS = 5_000
const VIEWER: BrowserContextOptions = {
  viewport: { width: 1440, height: 1000 },
  locale: 'en-US',
  timezoneId: 'Europe/Zurich',
}
const FIRST_SCRIPT_BYTES_MAX = 90 * 1_024

const LOOKS: readonly { name: string; options: BrowserContextOptions; range: string }[] = [
  { name: 'wide-light', options: { viewport: { width: 1440, height: 1000 } }, range: '7d' },
  { name: 'wide-dark', options: { viewport: { width: 1440, height: 1000 }, colorScheme: 'dark' }, range: '30d' },
  { name: 'tablet', options: { viewport: { width: 900, height: 1100 } }, range: '24h' },
  { name: 'phone', options: { viewport: { width: 390, height: 844 }, deviceScaleFactor: 2 }, range: '1h' },
  { name: 'phone-dark', options: { viewport: { width: 360, height: 740 }, colorScheme: 'dark' }, range: '24h' },
]

const noBrowser = whyNoBrowser()
if (noBrowser !== null) console.warn(`dashboard tests skipped: ${noBrowser}`)

describe.skipIf(noBrowser !== null)('the dashboard', () => {
  let browser: Browser
  const closers: (() => Promise<unknown>)[] = []

  beforeAll(async () => {
    const root = path.join(ROOT, 'src/dashboard')
    await build({
      root,
      configFile: path.join(root, 'vite.config.ts'),
      logLevel: 'warn',
      build: { outDir: path.join(ASSETS, 'dashboard') },
    })
    mkdirSync(SCREENSHOTS, { recursive: true })
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
    await page.screenshot({ path: path.join(SCREENSHOTS, 'detail.png') })
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

  test('a slow API shows that it is loading, then its data', async () => {
    const gate = Promise.withResolvers<void>()
    const { page, site } = await open({ attempts: handChecked(Date.now()), gate: gate.promise })
    await page.addInitScript(`sessionStorage.setItem('tidegate.admin-token', '${ADMIN_TOKEN}')`)
    await page.goto(`${site.url}/dashboard/`)
    await page.getByText('Loading…').first().waitFor({ state: 'attached' })
    expect(await page.locator('.tiles').getAttribute('aria-busy')).toBe('true')
    await page.screenshot({ path: path.join(SCREENSHOTS, 'loading.png') })
    gate.resolve()
    await expectText(page.locator('.tile-spend .tile-value'), '$12.35')
    await page.getByText('Loading…').first().waitFor({ state: 'detached' })
  })

  test('what was shown stays when a refresh fails, and is brought up to date when it works again', async () => {
    const first = handChecked(Date.now())
    const { page, site } = await openWithClock(open, { attempts: first })
    await expectText(page.locator('.tile-requests .tile-value'), '4')
    site.script.refusal = { status: 500, code: 'internal', message: 'The ledger is busy.' }
    await page.clock.fastForward(REFRESH_MS)
    await page.getByRole('alert').getByText('The ledger is busy.').waitFor()
    expect(await page.locator('.tile-spend .tile-value').textContent()).toBe('$12.35')
    await page.screenshot({ path: path.join(SCREENSHOTS, 'failing.png') })
    site.script.refusal = null
    site.script.attempts = [attempt({ request_id: 'req_new', started_at_ms: Date.now() }), ...first]
    await page.getByRole('button', { name: 'Try now' }).click()
    await expectText(page.locator('.tile-requests .tile-value'), '5')
    await page.getByText('The ledger is busy.').waitFor({ state: 'detached' })
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
    const { page, site, complaints } = await openSignedIn(open, { overview: empty })
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
    await page.screenshot({ path: path.join(SCREENSHOTS, 'empty.png'), fullPage: true })
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
    await page.screenshot({ path: path.join(SCREENSHOTS, `${name}.png`), fullPage: true })
    expect(await overflowOf(page)).toBe(0)
    expect(complaints).toEqual([])
  })

  test('ten thousand keys are listed, searched, sorted and turned within a second each', async () => {
    const { page, complaints } = await openSignedIn(open, {
      ...manyKeys(10_000),
      attempts: traffic(Date.now(), 900, 5),
    })
    const lines = page.locator('.keys-table tbody tr')
    /** How long it takes from an action to the next frame that shows `text`. */
    async function until(text: string, act: () => Promise<void>): Promise<number> {
      const startedMs = performance.now()
      await act()
      await page.locator('.panel-keys').getByText(text).first().waitFor()
      return performance.now() - startedMs
    }
    const took: Record<string, number> = {}
    // The machine may be busy with something else: the quickest of three says what the page needs.
    for (let at = 0; at < 3; at++) {
      await page.getByRole('link', { name: 'Overview', exact: true }).click()
      await page.locator('.budget').first().waitFor()
      const round = {
        list: await until('1–50 of 7,500', () => page.getByRole('link', { name: 'Keys', exact: true }).click()),
        next: await until('51–100 of 7,500', () => page.getByRole('button', { name: 'Next' }).click()),
        all: await until('1–50 of 10,000', () => page.getByRole('radio', { name: 'All' }).check()),
        search: await until('service-9998', () => page.getByLabel('Search keys').fill('service-9998')),
        clear: await until('1–50 of 10,000', () => page.getByLabel('Search keys').fill('')),
        sort: await until('service-0', () => page.getByRole('button', { name: 'Key', exact: true }).click()),
      }
      for (const [what, ms] of Object.entries(round)) took[what] = Math.min(ms, took[what] ?? ms)
    }
    console.info(
      '10,000 keys, ms:',
      Object.fromEntries(Object.entries(took).map(([name, ms]) => [name, Math.round(ms)])),
    )
    for (const [what, ms] of Object.entries(took)) expect(ms, what).toBeLessThan(1_000)
    expect(await lines.count()).toBe(50)
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

  test('a language that is none doesn’t keep the chart from being drawn', async () => {
    const { page, site, complaints } = await open({ attempts: handChecked(Date.now()) })
    await page.addInitScript("Object.defineProperty(Navigator.prototype, 'language', { get: () => 'en-US@posix' })")
    await page.goto(`${site.url}/dashboard/`)
    await signIn(page, ADMIN_TOKEN)
    await page.locator('.chart canvas').waitFor()
    expect(complaints).toEqual([])
  })

  test('the first script stays within its size, and pages that aren’t open aren’t in it', () => {
    const page = readFileSync(path.join(ASSETS, 'dashboard/index.html'), 'utf8')
    const first = [...page.matchAll(/(?:src|href)="\/dashboard\/(assets\/[^"]+\.js)"/g)].map(([, file = '']) => file)
    const bytes = first.reduce(
      (sum, file) => sum + gzipSync(readFileSync(path.join(ASSETS, 'dashboard', file))).length,
      0,
    )
    const all = readdirSync(path.join(ASSETS, 'dashboard/assets')).filter((file) => file.endsWith('.js'))
    console.info(`first scripts: ${first.length} of ${all.length}, ${(bytes / 1_024).toFixed(1)} KB gzip`)
    expect(first.length).toBeGreaterThan(0)
    expect(first.some((file) => /keys-page|key-page|routes-page|alerts-page|spend-plot/.test(file))).toBe(false)
    expect(bytes).toBeLessThanOrEqual(FIRST_SCRIPT_BYTES_MAX)
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
