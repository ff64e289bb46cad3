// Every page while the API takes its time, fails, and works again: it says that it waits, keeps its ways to other pages, never
// claims that there is nothing, says what went wrong, and has everything once somebody tries again.
import type { Page, Route } from 'playwright-core'
import { expect } from 'vitest'
import * as z from 'zod/mini'
import { ask, create, eventually, mintKey, says } from '../support/account.ts'
import { keepPicture, WAIT_MS } from './dashboard-page.ts'
import type { Stage } from './dashboard-teams.ts'

const COUNTED = z.object({ total: z.object({ requests: z.number() }) })
const MADE = z.object({ id: z.string() })

/** What says that something isn't there, wherever it stands. */
const RECORD = `
  window.claims = new Set()
  const isClaim = (text) => /^(no|none|nothing|never|not |nobody|0(?! ms)|[$]0[.]00|there is no|without|all well)\\b/i.test(text)
  window.claimsNow = () => [...document.querySelectorAll('main *')].flatMap((node) => {
    const text = node.childElementCount === 0 || node.matches('.teach, .nothing, p') ? node.textContent.trim() : ''
    return isClaim(text) || (text !== '' && node.matches('.teach, .nothing')) ? [text] : []
  })
  new MutationObserver(() => window.claimsNow().forEach((text) => window.claims.add(text)))
    .observe(document, { childList: true, subtree: true, characterData: true })`

const WAITS = 'main .skeleton, main [aria-busy=true], main [role=status]:text("Loading…")'

export async function waitAndTryAgain({ system, open }: Stage): Promise<void> {
  const { id: team } = MADE.parse(await create(system, '/admin/teams', { tenant: 'acme', name: 'patience' }))
  const { id: key, key: secret } = await mintKey(system, 'acme', 'patient', { team })
  await (await ask(system, secret, { model: 'sim-gpt-4o-fast', messages: says('How long?') })).text()
  await eventually(
    async () => COUNTED.parse((await system.admin('GET', `/admin/reports?metrics=requests&key=${key}`)).body),
    ({ total }) => total.requests > 0,
  )
  const { page, complaints } = await open('reference')
  await page.addInitScript(RECORD)
  const at = ['', 'requests', 'keys', `keys/${key}`, 'teams', `teams/${team}`, 'models', 'routes', 'alerts', 'access']
  for (const path of [...at, 'audit', 'configuration', FORM, 'reference']) {
    await expectPatient(page, `${system.url}/dashboard/${path}`, path)
  }
  await expectSentOnce(page, `${system.url}/dashboard/teams`)
  expect(complaints).toEqual([])
  await page.close()
}

async function expectPatient(page: Page, url: string, path: string): Promise<void> {
  const held = new HeldCalls()
  const isRead = ({ pathname }: URL): boolean => /^\/admin\/(?!live$)|\/openapi[.]json$/.test(pathname)
  await page.route(isRead, (route) => held.hold(route))
  await page.goto(url, { waitUntil: 'commit' })
  await page.locator('h1').waitFor()
  await waitOf(page, path).waitFor({ state: 'attached' })
  expect(await page.getByRole('navigation', { name: 'Pages' }).getByRole('link').count(), path).toBe(10)
  expect.soft(await claimsOf(page), `${path}, while it waits`).toEqual([])

  if (path === '') await keepPicture(page, 'loading')
  await held.fail()
  await page.getByRole('alert').getByText(BUSY).waitFor()
  expect(await page.getByRole('link', { name: 'Models', exact: true }).isEnabled()).toBe(true)
  await page.getByRole('button', { name: 'Try now' }).click()
  if (path !== FORM) await waitOf(page, path).waitFor({ state: 'attached' })
  await held.letGo()
  await expect.poll(() => waitsOf(page), { timeout: WAIT_MS, message: path }).toEqual([])
  const [claimed, now] = [await claimsOf(page), await claimsOf(page, 'claimsNow()')]
  expect
    .soft(
      claimed.filter((text) => !now.includes(text)),
      `${path}, until everything was there`,
    )
    .toEqual([])
  await page.unrouteAll({ behavior: 'ignoreErrors' })
}

/** Whoever presses twice has it done once. */
async function expectSentOnce(page: Page, url: string): Promise<void> {
  const [isAsked, isReady] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
  let sent = 0
  await page.route('**/admin/teams', async (route) => {
    sent += 1
    isAsked.resolve()
    await isReady.promise
    await route.continue()
  })
  await page.goto(url)
  await page.getByRole('button', { name: 'Make a team' }).click()
  const dialog = page.getByRole('dialog')
  await dialog.getByLabel('Name').fill('made once')
  await page.evaluate(`[1, 2].forEach(() => document.querySelector('dialog form').requestSubmit())`)
  await isAsked.promise
  expect(await dialog.getByRole('button', { name: 'One moment…' }).isDisabled()).toBe(true)
  isReady.resolve()
  await dialog.waitFor({ state: 'detached' })
  expect(sent).toBe(1)
}

/** A form that waits for nothing: its header alone does. */
const FORM = 'playground'

function waitOf(page: Page, path: string): ReturnType<Page['locator']> {
  return page.locator(path === FORM ? '.freshness [role=status]:text("Loading")' : WAITS).first()
}

const BUSY = 'The ledger is busy.'

async function claimsOf(page: Page, from = 'claims'): Promise<readonly string[]> {
  return z.array(z.string()).parse(await page.evaluate(`[...window.${from}]`))
}

/** What is still waited for, and what went wrong. */
async function waitsOf(page: Page): Promise<readonly string[]> {
  const waits = await page.locator(`${WAITS}, .pending-failure, .notice`).allTextContents()
  return [...waits, ...(await page.locator('.freshness').getByText('Loading').allTextContents())]
}

/** Calls that aren't answered until somebody says how, and then one after the other, in the order in which they came. */
class HeldCalls {
  readonly #waiting: Route[] = []
  #isFree = false

  hold(route: Route): Promise<void> | undefined {
    if (this.#isFree) return route.continue()
    this.#waiting.push(route)
    return undefined
  }

  /** Those that wait fail. Those that come later wait. */
  async fail(): Promise<void> {
    const json = { error: { message: BUSY, code: 'internal' } }
    for (const route of this.#waiting.splice(0)) await route.fulfill({ status: 500, json })
  }

  /** Each is answered once the one before was; and what comes later, when it comes. */
  async letGo(): Promise<void> {
    for (let route = this.#waiting.shift(); route !== undefined; route = this.#waiting.shift()) {
      const [response] = await Promise.all([route.request().response(), route.continue()])
      await response?.finished()
    }
    this.#isFree = true
  }
}
