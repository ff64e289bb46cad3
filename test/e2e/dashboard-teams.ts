// What an operator, and then a team's lead, do on the pages of teams.
import type { Page } from 'playwright-core'
import { expect } from 'vitest'
import * as z from 'zod/mini'
import { ask, create, mintKey, says } from '../support/account.ts'
import type { TestSystem } from '../support/system.ts'
import { barriers, keepPicture, overflowOf } from './dashboard-page.ts'

/** A running system, and pages on it, signed in. */
export interface Stage {
  readonly system: TestSystem
  open(at: string, token?: string): Promise<{ readonly page: Page; readonly complaints: readonly string[] }>
}

/** A page is whole on a phone in the dark: it doesn't reach beyond its sides, and nothing serious bars anybody. */
export async function expectWhole(page: Page): Promise<void> {
  // A colour that is on its way to the other scheme's is no barrier.
  const found = async () => [await overflowOf(page), ...(await barriers(page))]
  await page.emulateMedia({ colorScheme: 'dark' })
  await page.setViewportSize({ width: 390, height: 844 })
  await expect.poll(found).toEqual([0])
  await page.emulateMedia({ colorScheme: 'light' })
  await page.setViewportSize({ width: 1440, height: 900 })
}

/** What the ledger says was spent, in nano-USD. */
async function spentOf(system: TestSystem, filter: string): Promise<string> {
  const { body } = await system.admin('GET', `/admin/reports?metrics=spend&${filter}`)
  return z.object({ total: z.object({ cost_nano_usd: z.string() }) }).parse(body).total.cost_nano_usd
}

export async function keepTeams({ system, open }: Stage): Promise<void> {
  await create(system, '/admin/teams', { tenant: 'acme', name: 'Somebody else’s' })
  const { page, complaints } = await open('teams')
  await page.getByRole('button', { name: 'Make a team' }).click()
  const dialog = page.getByRole('dialog')
  await dialog.getByLabel('Name').fill('Somebody else’s')
  await dialog.getByRole('button', { name: 'Make the team' }).click()
  await dialog.locator('.wrong').getByText('has a team').waitFor()
  expect(await barriers(page)).toEqual([])
  await dialog.getByLabel('Name').fill('Harbour')
  await dialog.getByRole('button', { name: 'Make the team' }).click()
  await page.getByRole('heading', { name: 'Harbour' }).waitFor()
  const id = new URL(page.url()).pathname.split('/').at(-1) ?? ''

  await page.getByRole('button', { name: 'Change limits' }).click()
  await dialog.getByRole('button', { name: 'Add budget' }).click()
  await dialog.getByLabel('US dollars').fill('5')
  await dialog.getByRole('button', { name: 'Save limits' }).click()
  await page.locator('.panel-limits').getByText('of $5.00 per day').waitFor()
  await page.getByRole('button', { name: 'Change what each end user may' }).click()
  await dialog.getByRole('button', { name: 'Add rate' }).click()
  await dialog.getByLabel('Per minute').fill('many')
  await dialog.getByRole('button', { name: 'Save limits' }).click()
  await dialog.locator('.wrong .field-error').waitFor()
  expect(await barriers(page)).toEqual([])
  await dialog.getByLabel('Per minute').fill('300')
  await dialog.getByLabel('Of', { exact: true }).selectOption('requests')
  await dialog.getByRole('button', { name: 'Save limits' }).click()
  await page.locator('.panel-user-limits').getByText('300 requests per minute').waitFor()
  const { body: limited } = await system.admin('GET', `/admin/teams/${id}`)
  expect(limited).toMatchObject({ end_user_limits: [{ kind: 'rate', unit: 'requests', per_minute: 300 }] })
  await keepPicture(page, 'team', { fullPage: true })
  await page.getByRole('button', { name: 'Rename' }).click()
  await dialog.getByLabel('Name').fill('Pier')
  await dialog.getByRole('button', { name: 'Rename it' }).click()
  await page.getByRole('heading', { name: 'Pier' }).waitFor()

  const minted = await mintKey(system, 'acme', 'crane', { team: id, cost_center: 'cc-pier' })
  const answer = await ask(system, minted.key, { model: 'sim-gpt-4o-fast', messages: says('How much?') })
  expect(answer.status).toBe(200)
  await answer.text()
  await expect.poll(() => page.locator('.tile-requests .tile-value').textContent()).toBe('1')
  await page.locator('.panel-by-model').getByText('sim-gpt-4o-fast').waitFor()
  await page.locator('.panel-team-keys').getByRole('link', { name: 'crane' }).waitFor()
  await expectWhole(page)
  await page.getByRole('button', { name: 'Delete' }).click()
  await dialog.getByRole('button', { name: 'Delete it for good' }).click()
  await dialog.getByRole('alert').getByText('still has keys').waitFor()
  await dialog.getByRole('button', { name: 'Close' }).click()

  await page.getByRole('link', { name: 'Teams' }).first().click()
  const line = page.locator('.teams-table tbody tr').filter({ hasText: 'Pier' })
  const center = page.locator('.centers-table tbody tr').filter({ hasText: 'cc-pier' })
  const spent = Number(await spentOf(system, `team=${id}`)) / 1e9
  expect(spent).toBeGreaterThan(0)
  for (const money of [line.locator('.cell-month data'), center.locator('data.money').last()]) {
    await expect.poll(async () => Number(await money.getAttribute('value')), { timeout: 20_000 }).toBe(spent)
  }
  await expect.poll(() => line.locator('.cell-keys').textContent()).toBe('1')
  await expectWhole(page)
  await expectLeadSeesOwn({ system, open }, id)
  expect(complaints).toEqual([])
  await page.close()
}

/** Nothing of other teams, and nothing that isn't theirs to do. */
async function expectLeadSeesOwn({ system, open }: Stage, team: string): Promise<void> {
  const token = { name: 'lead of the pier', role: 'lead', tenant: 'acme', team }
  const made = z.object({ token: z.string() }).parse(await create(system, '/admin/access/tokens', token))
  const { page } = await open('teams', made.token)
  await page.locator('.teams-table').getByRole('link', { name: 'Pier' }).waitFor()
  expect(await page.locator('.teams-table tbody tr').count()).toBe(1)
  expect(await page.locator('.centers-table tbody tr').allTextContents()).toHaveLength(1)
  expect(await page.getByRole('button', { name: 'Make a team' }).count()).toBe(0)
  await page.locator('.teams-table').getByRole('link', { name: 'Pier' }).click()
  await page.getByRole('button', { name: 'Change limits' }).waitFor()
  expect(await page.getByRole('button', { name: 'Delete' }).count()).toBe(0)
  await page.close()
}
