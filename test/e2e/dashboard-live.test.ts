// A real browser on the real gateway: who signs in at its `/dashboard` sees what was just spent, and what is spent while
// they look. How the page deals with data of every kind is tested in dashboard.test.ts.
import type { Browser, Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { ask, bookOf, createTenant, routeSimulated, says } from '../support/account.ts'
import { TEST_ADMIN_TOKEN, type TestSystem, startTestSystem } from '../support/system.ts'
import { launchBrowser, whyNoBrowser } from './browser.ts'

const MODEL = 'sim-gpt-4o-fast'
/** Nano-USD per token of that model. */
const PRICE = { input: 2_500, output: 10_000 } as const
/** Longer than the way into the ledger and a refresh together. */
const WAIT_MS = 12_000

const noBrowser = whyNoBrowser()
if (noBrowser !== null) console.warn(`dashboard tests skipped: ${noBrowser}`)

describe.skipIf(noBrowser !== null)('the dashboard of a running gateway', () => {
  let system: TestSystem
  let browser: Browser
  let key: string

  beforeAll(async () => {
    system = await startTestSystem({ dashboard: true })
    key = (await createTenant(system, 'acme')).key
    await routeSimulated(system)
    browser = await launchBrowser()
  })
  afterAll(async () => {
    await browser?.close()
    await system.dispose()
  })

  async function spend(): Promise<void> {
    const response = await ask(system, key, { model: MODEL, messages: says('What does this cost?') })
    expect(response.status).toBe(200)
    await response.text()
  }

  /** What the provider counted, at its price, in USD to the nano-dollar. */
  async function billed(): Promise<string> {
    const book = await bookOf(system.simulatedUrl, MODEL)
    const nanoUsd = (book?.tokensIn ?? 0) * PRICE.input + (book?.tokensOut ?? 0) * PRICE.output
    return `0.${String(nanoUsd).padStart(9, '0').replace(/0+$/, '')}`
  }

  /** The exact value behind a figure. */
  async function expectFigure(page: Page, tile: string, value: string): Promise<void> {
    const figure = page.locator(`.tile-${tile} .tile-value data`)
    await expect.poll(() => figure.getAttribute('value'), { timeout: WAIT_MS }).toBe(value)
  }

  test('a wrong token is refused; the right one shows the spend of the requests just made, and then of the next', async () => {
    const page = await browser.newPage()
    page.setDefaultTimeout(WAIT_MS)
    const complaints: string[] = []
    page.on('pageerror', (error) => complaints.push(error.message))
    for (let n = 0; n < 3; n++) await spend()

    await page.goto(`${system.url}/dashboard`)
    await page.getByLabel('Admin token').fill('not-the-token-of-this-gateway')
    await page.getByRole('button', { name: 'Sign in' }).click()
    await page.getByRole('alert').getByText('That token is not accepted.').waitFor()
    await page.getByLabel('Admin token').fill(TEST_ADMIN_TOKEN)
    await page.getByRole('button', { name: 'Sign in' }).click()
    await page.getByRole('heading', { name: 'Overview' }).waitFor()

    await expectFigure(page, 'requests', '3')
    await expectFigure(page, 'spend', await billed())
    await expectFigure(page, 'errors', '0')
    await page.getByRole('region', { name: 'Latest requests' }).getByText(MODEL).first().waitFor()
    await spend()
    await expectFigure(page, 'requests', '4')
    await expectFigure(page, 'spend', await billed())
    expect(complaints).toEqual([])
  })
})
