// A real browser on the real gateway: who signs in at its `/dashboard` sees what was just spent, and what is spent while
// they look; who signs in with a provider, what their role lets them see and do. How the page deals with data of every kind is
// tested in dashboard.test.ts.
import { createServer, type Server } from 'node:http'
import type { Browser, Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import * as z from 'zod/mini'
import { ask, bookOf, createTenant, mintKey, routeSimulated, says } from '../support/account.ts'
import { TEST_ADMIN_TOKEN, type TestSystem, startTestSystem } from '../support/system.ts'
import { CLIENT_ID, CLIENT_SECRET, OidcProvider } from '../support/oidc-provider.ts'
import { launchBrowser, whyNoBrowser } from './browser.ts'
import { STORE_BINDING, keepCredentials } from './dashboard-credentials.ts'
import { barriers, keepPicture, overflowOf } from './dashboard-page.ts'
import { letInAndOut } from './dashboard-access.ts'
import { compareRevisions } from './dashboard-configuration.ts'
import { compareAndSwitch } from './dashboard-models.ts'
import { orderAndRamp } from './dashboard-routes.ts'
import { waitAndTryAgain } from './dashboard-slow.ts'
import { askWithMintedKey, changeAlertRules, hearOfChanges, lookAhead } from './dashboard-others.ts'
import { keepTeams } from './dashboard-teams.ts'

const SCRIPT_NAME = '<script>window.stolen = 1</script><img src=x onerror="window.stolen = 2">'
const MODEL = 'sim-gpt-4o-fast'
/** Nano-USD per token of that model. */
const PRICE = { input: 2_500, output: 10_000 } as const
/** Longer than the way into the ledger and a refresh together. */
const WAIT_MS = 40_000

const noBrowser = whyNoBrowser()
if (noBrowser !== null) console.warn(`dashboard tests skipped: ${noBrowser}`)

describe.skipIf(noBrowser !== null)('the dashboard of a running gateway', () => {
  let system: TestSystem
  let browser: Browser
  let key: string
  let provider: OidcProvider
  let providerServer: Server

  beforeAll(async () => {
    const served = await serveProvider()
    provider = served.provider
    providerServer = served.server
    system = await startTestSystem({
      dashboard: true,
      secretsStore: [STORE_BINDING],
      secrets: {
        OIDC_ISSUER: provider.issuer,
        OIDC_CLIENT_ID: CLIENT_ID,
        OIDC_CLIENT_SECRET: CLIENT_SECRET,
        OIDC_NAME: 'Harbour login',
      },
    })
    key = (await createTenant(system, 'acme')).key
    await routeSimulated(system)
    browser = await launchBrowser()
  })
  afterAll(async () => {
    await browser?.close()
    await system?.dispose()
    providerServer?.close()
  })

  async function spend(by = key): Promise<void> {
    const response = await ask(system, by, { model: MODEL, messages: says('What does this cost?') })
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

  test('who signs in with a provider sees and may do what their role says, and the log says that it was them', async () => {
    const [rule = ''] = await rules(['viewer'])
    const context = await browser.newContext({ viewport: { width: 1440, height: 900 }, locale: 'en-US' })
    const page = await context.newPage()
    page.setDefaultTimeout(WAIT_MS)
    const complaints: string[] = []
    page.on('pageerror', (error) => complaints.push(error.message))

    // As somebody does on their own machine, where there is no https.
    const origin = system.url.replace('127.0.0.1', 'localhost')
    await page.goto(`${origin}/dashboard/`)
    const way = page.getByRole('link', { name: 'Sign in with Harbour login' })
    await way.waitFor()
    expect(await barriers(page)).toEqual([])
    provider.claims = { sub: 'eve', email: 'eve@elsewhere.test', email_verified: true }
    await way.click()
    await page.getByRole('alert').getByText('have no role here').waitFor()
    expect(new URL(page.url()).search).toBe('')
    provider.claims = { sub: 'ann', email: 'ann@example.com', email_verified: true }
    await way.click()
    await page.getByRole('heading', { name: 'Overview' }).waitFor()
    await page.locator('.who', { hasText: 'ann@example.com' }).getByText('Viewer').waitFor()
    const [cookie] = await context.cookies()
    expect(cookie).toMatchObject({ name: 'tidegate-session', httpOnly: true, sameSite: 'Strict' })

    await page.getByRole('link', { name: 'Keys' }).click()
    await page.locator('.keys-table tbody tr').first().waitFor()
    expect(await page.getByRole('button', { name: 'Mint a key' }).count()).toBe(0)
    await page.getByRole('link', { name: 'Access' }).click()
    await page.getByText('this one').waitFor()
    expect(await page.getByRole('heading', { name: 'API tokens' }).count()).toBe(0)

    // Another role is theirs with the next look, without a new sign-in.
    await rules(['admin'], rule)
    await page.getByRole('button', { name: 'Mint a token' }).click()
    const dialog = page.getByRole('dialog')
    await dialog.getByLabel('Name').fill('pipeline')
    expect(await barriers(page)).toEqual([])
    await dialog.getByRole('button', { name: 'Mint the token' }).click()
    const token = (await dialog.locator('.command code').textContent()) ?? ''
    await dialog.getByRole('button', { name: 'Close' }).click()
    const as = (method: string, at: string) => {
      const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' }
      const body = method === 'GET' ? null : JSON.stringify({ name: 'x' })
      return fetch(`${system.url}/admin${at}`, { method, headers, body }).then(({ status }) => status)
    }
    expect([await as('GET', '/keys'), await as('POST', '/tenants')]).toEqual([200, 403])
    await keepPicture(page, 'access', { fullPage: true })
    await page.getByRole('button', { name: 'Revoke pipeline' }).click()
    await dialog.getByRole('button', { name: 'Revoke it' }).click()
    await page.getByText('revoked', { exact: true }).waitFor()
    expect(await as('GET', '/keys')).toBe(401)

    await page.getByRole('link', { name: 'Audit' }).click()
    await page.getByLabel('Who').fill('ann@')
    await page.getByLabel('What').selectOption({ label: 'API tokens' })
    await expect.poll(() => page.locator('.audit-entry').count(), { timeout: WAIT_MS }).toBe(2)
    const made = page.locator('.audit-entry', { hasText: 'created API tokens' })
    await made.locator('summary').click()
    await made.locator('ins', { hasText: 'pipeline' }).waitFor()
    for (const colorScheme of ['light', 'dark'] as const) {
      await page.emulateMedia({ colorScheme })
      expect(await barriers(page)).toEqual([])
    }
    await keepPicture(page, 'audit-dark', { fullPage: true })
    await page.setViewportSize({ width: 390, height: 844 })
    expect(await overflowOf(page)).toBe(0)
    await keepPicture(page, 'audit-phone', { fullPage: true })
    const applied = { document: { tenants: [{ name: 'from a file' }] }, reason: 'by file' }
    const { body: told } = await system.admin('GET', '/admin/configuration/revisions')
    const { revision } = z.object({ revision: z.number() }).parse(told)
    await system.admin('POST', '/admin/configuration/apply', { ...applied, expected_revision: revision })
    await page.getByRole('link', { name: 'Revisions of the configuration' }).click()
    await page.getByRole('button', { name: `Go back to ${revision}…` }).click()
    await page.locator('.diff', { hasText: 'tenants from a file, taken away' }).waitFor()
    expect([await overflowOf(page), ...(await barriers(page))]).toEqual([0])
    await keepPicture(page, 'configuration-phone', { fullPage: true })
    await page.getByRole('button', { name: 'Go back', exact: true }).click()
    await page.getByText(`as in revision ${revision}, as revision ${revision + 2}`).waitFor()
    await page.getByRole('link', { name: 'Access' }).click()
    await page.getByText('this one').waitFor()
    expect([await overflowOf(page), ...(await barriers(page))]).toEqual([0])

    await page.getByRole('button', { name: 'Sign out' }).click()
    await way.waitFor()
    await page.reload()
    await way.waitFor()
    expect(complaints).toEqual([])
    await context.close()
  })

  test('what is asked for meanwhile appears by itself, and nobody asks again and again unless no socket can be had', async () => {
    const page = await browser.newPage()
    const polling = await browser.newPage()
    await polling.routeWebSocket('**/admin/live', (socket) => socket.close())
    const state = (of: Page) => of.locator('.freshness [role=status]').textContent()
    const rows = (of: Page) => of.locator('.requests-table tbody tr').count()
    const calls = new Map([page, polling].map((one) => [one, { made: 0, open: 0 }]))
    for (const [one, count] of calls) {
      const isCall = (request: { url(): string }): boolean => new URL(request.url()).pathname === '/admin/requests'
      one.on('request', (request) => isCall(request) && ((count.made += 1), (count.open += 1)))
      one.on('requestfinished', (request) => isCall(request) && (count.open -= 1))
      await one.clock.install()
      await one.addInitScript(`sessionStorage.setItem('tidegate.admin-token', '${TEST_ADMIN_TOKEN}')`)
      await one.goto(`${system.url}/dashboard/requests`)
    }
    await expect.poll(() => state(page), { timeout: WAIT_MS }).toBe('Live')
    await expect.poll(() => state(polling), { timeout: WAIT_MS }).toBe('Every 2 s')
    expect(await barriers(page)).toEqual([])
    for (const [one, count] of calls) {
      // No jump while something is under way: it would seem to have taken as long.
      const isAtRest = () => expect.poll(() => count.open, { timeout: WAIT_MS }).toBe(0)
      for (let turn = 0; turn < 8; turn++) {
        await isAtRest()
        await one.clock.fastForward(3_000)
        await one.evaluate('0')
      }
      await isAtRest()
    }
    const before = await rows(page)
    await spend()
    const shown = async () => [await rows(page), await rows(polling)]
    await expect.poll(shown, { timeout: WAIT_MS }).toEqual([before + 1, before + 1])
    expect(calls.get(polling)?.made).toBeGreaterThanOrEqual(8)
    expect(calls.get(page)?.made).toBeLessThanOrEqual(5)
    await Promise.all([page.close(), polling.close()])
  })

  test('requests are looked for, come in by themselves and tell their story; a script in them is text', async () => {
    const { id, key } = await mintKey(system, 'acme', 'seeker', { tags: [SCRIPT_NAME] })
    const { page, complaints } = await open(`requests#key=${id}`)
    const rows = page.locator('.requests-table tbody tr')
    const until = (count: number) => expect.poll(() => rows.count(), { timeout: WAIT_MS }).toBe(count)
    await page.getByText('No request is like that').waitFor()
    await spend(key)
    await until(1)
    await (await ask(system, key, { model: `sim-gpt-4o-e400-${SCRIPT_NAME}`, messages: says('x') })).text()
    await until(2)
    await page.getByLabel('Outcome').selectOption('failed')
    await until(1)
    await rows.getByText(SCRIPT_NAME).first().waitFor()
    await page.reload()
    await until(1)
    await page.getByRole('button', { name: 'Clear the filter' }).click()
    await page.getByLabel('Key', { exact: true }).selectOption({ label: 'seeker' })
    await page.getByLabel('Model').fill(MODEL)
    await expect.poll(() => rows.getByText('e400').count(), { timeout: WAIT_MS }).toBe(0)
    await until(1)
    expect(await barriers(page)).toEqual([])
    await rows.getByRole('button').focus()
    await page.keyboard.press('Enter')
    const story = page.getByRole('dialog')
    await expect.poll(() => story.locator('.waterfall li').count(), { timeout: WAIT_MS }).toBe(1)
    await story.getByText(SCRIPT_NAME).waitFor()
    await story.getByRole('button', { name: 'Show what was kept' }).click()
    await story.getByText('BODIES_KEY').waitFor()
    await page.emulateMedia({ colorScheme: 'dark' })
    expect(await barriers(page)).toEqual([])
    await keepPicture(page, 'requests-dark')
    await page.keyboard.press('Escape')
    await page.setViewportSize({ width: 390, height: 844 })
    expect(await overflowOf(page)).toBe(0)
    expect(await page.evaluate('typeof window.stolen')).toBe('undefined')
    expect(complaints).toEqual([])
    await page.close()
  })

  test('the playground asks two models side by side, says what it cost, and keeps the key nowhere', async () => {
    const { key } = await mintKey(system, 'acme', 'player')
    const { page, complaints } = await open('playground')
    await page.getByLabel('Virtual key').fill(key)
    await page.getByLabel('Model', { exact: true }).fill(MODEL)
    await page.getByLabel('Beside it').fill(SCRIPT_NAME)
    await page.getByLabel('Prompt').fill('What does this cost?')
    await page.getByRole('button', { name: 'Ask', exact: true }).click()
    const [good, bad] = [page.locator('.panel-answer').first(), page.locator('.panel-answer').last()]
    await bad.getByRole('status').getByText(SCRIPT_NAME).waitFor()
    const cost = good.locator('data.money')
    await cost.waitFor()
    expect(Number(await cost.getAttribute('value'))).toBeGreaterThan(0)
    expect(await good.locator('.playground-answer').textContent()).not.toBe('')
    expect([await overflowOf(page), ...(await barriers(page))]).toEqual([0])
    expect(await bad.getByText('on its way').count()).toBe(0)
    await keepPicture(page, 'playground', { fullPage: true })
    await page.getByLabel('Model', { exact: true }).fill('sim-gpt-4o-hang')
    await page.getByLabel('Beside it').fill('')
    await page.getByRole('button', { name: 'Ask', exact: true }).click()
    await page.getByRole('button', { name: 'Stop' }).click()
    await page.locator('.panel-answer').getByText('Stopped.').waitFor()
    await page.setViewportSize({ width: 390, height: 844 })
    expect(await overflowOf(page)).toBe(0)
    const kept = await page.evaluate('JSON.stringify([sessionStorage, localStorage, location.href, document.cookie])')
    expect(kept).not.toContain(key)
    expect(await page.evaluate('typeof window.stolen')).toBe('undefined')
    expect(complaints).toEqual([])
    await page.close()
  })

  test('a credential is added, tried out, used, rotated and deleted, and never shown again', () =>
    keepCredentials({ system, open }))

  test('a team is made, limited, renamed and not deleted while it has keys; its lead sees it alone', () =>
    keepTeams({ system, open }))

  test('models tell how they do, two of them are compared by keyboard, and one is switched off and on again', () =>
    compareAndSwitch({ system, open }))

  test('a chain is put in order by keyboard and by pointer, never over somebody else’s change; a canary is begun, taken back, made the route’s own', () =>
    orderAndRamp({ system, open }))

  test('any two revisions of the configuration are compared, and one is gone back to from there', () =>
    compareRevisions({ system, open }))

  test('the overview has today, the month, what it will have cost, and who ails', () => lookAhead({ system, open }))

  test('the playground asks with a key that is minted for it, and revoked when it is left', () =>
    askWithMintedKey({ system, open }))

  test('what an alert is, is said for everybody and for a tenant, and taken back', () =>
    changeAlertRules({ system, open }))

  test('an alert, an entry of the audit log and a token are there when the gateway says so, without asking again and again', () =>
    hearOfChanges({ system, open }))

  test('every page waits, says what went wrong and tries again, and never claims that there is nothing meanwhile', () =>
    waitAndTryAgain({ system, open }))

  test('a rule lets somebody in, their session is ended under their eyes, and without the rule they stay out', () =>
    letInAndOut({ system, open, browser, provider }))

  /** A page of its own, signed in by a token, at `at`. */
  async function open(at: string, token = TEST_ADMIN_TOKEN) {
    const page = await browser.newPage({ viewport: { width: 1440, height: 900 }, locale: 'en-US' })
    page.setDefaultTimeout(WAIT_MS)
    const complaints: string[] = []
    page.on('pageerror', (error) => complaints.push(error.message))
    await page.addInitScript(`sessionStorage.setItem('tidegate.admin-token', '${token}')`)
    await page.goto(`${system.url}/dashboard/${at}`)
    return { page, complaints }
  }

  /** Rules that give ann a role, after those of before are gone. */
  async function rules(roles: readonly string[], ...gone: readonly string[]): Promise<readonly string[]> {
    const ids: string[] = []
    for (const role of roles) {
      const { body } = await system.admin('POST', '/admin/access/rules', {
        claim: 'email',
        value: 'ann@example.com',
        role,
      })
      if (typeof body === 'object' && body !== null && 'id' in body) ids.push(String(body.id))
    }
    for (const id of gone) await system.admin('DELETE', `/admin/access/rules/${id}`)
    return ids
  }
})

/** The provider at a port of its own. */
async function serveProvider(): Promise<{ readonly provider: OidcProvider; readonly server: Server }> {
  const asked: { provider: OidcProvider | null } = { provider: null }
  const server = createServer((request, response) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', () => void answer(Buffer.concat(chunks)))
    async function answer(body: Buffer): Promise<void> {
      const { method = 'GET', headers, url = '/' } = request
      const init = { method, headers: { authorization: headers.authorization ?? '' } }
      const at = `http://127.0.0.1${url}`
      const said = await asked.provider?.handle(new Request(at, method === 'GET' ? init : { ...init, body }))
      response.writeHead(said?.status ?? 500, Object.fromEntries(said?.headers ?? []))
      response.end(await said?.text())
    }
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('the server has no port')
  asked.provider = await OidcProvider.at(`http://127.0.0.1:${address.port}`, Date.now)
  return { provider: asked.provider, server }
}
