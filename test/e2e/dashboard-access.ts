// What an owner does about who comes in: a rule gives somebody a role, their session is ended, the rule is taken away. And the
// API's own description, which is found from there.
import type { Browser, Page } from 'playwright-core'
import { expect } from 'vitest'
import type { OidcProvider } from '../support/oidc-provider.ts'
import { barriers, WAIT_MS } from './dashboard-page.ts'
import { expectWhole, type Stage } from './dashboard-teams.ts'

interface AccessStage extends Stage {
  readonly browser: Browser
  readonly provider: OidcProvider
}

const EVE = 'eve@example.com'

export async function letInAndOut({ system, open, browser, provider }: AccessStage): Promise<void> {
  const { page, complaints } = await open('access')
  const dialog = page.getByRole('dialog')
  await page.getByRole('button', { name: 'Add a rule' }).click()
  await dialog.getByRole('button', { name: 'Add it' }).click()
  await dialog.locator('.wrong .field-error').waitFor()
  await dialog.getByLabel('Value').fill(EVE)
  expect(await barriers(page)).toEqual([])
  await dialog.getByRole('button', { name: 'Add it' }).click()
  await page.locator('.panel-rules').getByText(`email is ${EVE}`).waitFor()

  const context = await browser.newContext({ locale: 'en-US' })
  const other = await context.newPage()
  other.setDefaultTimeout(WAIT_MS)
  provider.claims = { sub: 'eve', email: EVE, email_verified: true }
  await signInWithProvider(other, system.url)
  await other.getByRole('heading', { name: 'Overview' }).waitFor()
  await page.getByRole('button', { name: `End the session of ${EVE}` }).click()
  await dialog.getByRole('button', { name: 'End it' }).click()
  await other.getByRole('alert').getByText('no longer accepted').waitFor()

  await page.getByRole('button', { name: `Remove email ${EVE}` }).click()
  await dialog.getByRole('button', { name: 'Remove it' }).click()
  await page.locator('.panel-rules').getByText(`email is ${EVE}`).waitFor({ state: 'detached' })
  await other.getByRole('link', { name: 'Sign in with Harbour login' }).click()
  await other.getByRole('alert').getByText('have no role here').waitFor()
  await context.close()

  await page.getByRole('link', { name: 'API reference' }).click()
  await page.getByLabel('Search endpoints').fill('breakers')
  const items = page.locator('.reference-item')
  await expect.poll(() => items.count()).toBe(1)
  await items.locator('summary').focus()
  await page.keyboard.press('Enter')
  await page.locator('.reference-example').getByText('/admin/breakers').waitFor()
  await expectWhole(page)
  await page.getByLabel('Search endpoints').fill('no such words at all')
  await page.getByText('No endpoint has these words.').waitFor()
  expect(complaints).toEqual([])
  await page.close()
}

/** As somebody does on their own machine, where there is no https. */
async function signInWithProvider(page: Page, url: string): Promise<void> {
  await page.goto(`${url.replace('127.0.0.1', 'localhost')}/dashboard/`)
  await page.getByRole('link', { name: 'Sign in with Harbour login' }).click()
}
