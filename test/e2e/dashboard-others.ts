// What an operator does on pages that were there before anybody asked for more: looks ahead on the overview, asks in the
// playground with a key of its own, says what an alert is.
import { expect } from 'vitest'
import * as z from 'zod/mini'
import { ask, create, eventually, mintKey, says } from '../support/account.ts'
import { barriers } from './dashboard-page.ts'
import { expectWhole, type Stage } from './dashboard-teams.ts'

const DAY_MS = 86_400_000
const TOTAL = z.object({ total: z.object({ cost_nano_usd: z.string() }) })
const KEYS = z.object({ rows: z.array(z.object({ id: z.string(), name: z.string(), status: z.string() })) })

/** Today’s and the month’s spend are the ledger’s, and a provider that is off is told. */
export async function lookAhead({ system, open }: Stage): Promise<void> {
  const { key } = await mintKey(system, 'acme', 'outlook')
  await (await ask(system, key, { model: 'sim-gpt-4o-fast', messages: says('Today?') })).text()
  const { page, complaints } = await open('')
  const valueOf = async (tile: string) => Number(await page.locator(`.tile-${tile} data`).getAttribute('value'))
  const since = Math.floor(Date.now() / DAY_MS) * DAY_MS
  const spent = await eventually(
    async () => {
      const { body } = await system.admin('GET', `/admin/reports?metrics=spend&from=${since}`)
      return Number(TOTAL.parse(body).total.cost_nano_usd) / 1e9
    },
    (usd) => usd > 0,
  )
  // What came before this page was opened is in its first answer; what came meanwhile, in the next.
  await page.reload()
  for (const tile of ['today', 'month']) {
    await expect.poll(() => valueOf(tile)).toBeGreaterThanOrEqual(spent)
  }
  await page.locator('.tile-providers').getByText('All well').waitFor()
  await expectWhole(page)
  const provider = '/admin/switches/provider/simulated-anthropic'
  await system.admin('PUT', provider, { off: true, reason: 'it is being repaired' })
  await page.reload()
  await page.locator('.tile-providers').getByText('simulated-anthropic: switched off').waitFor()
  await system.admin('PUT', provider, { off: false })
  expect(complaints).toEqual([])
  await page.close()
}

/** Alerts, the audit log and access are read when there is something new, where nobody would ask for a minute. */
export async function hearOfChanges({ system, open }: Stage): Promise<void> {
  const budget = { kind: 'budget', amount_usd: '0.005', period: 'day', alerts_percent: [1] }
  const { key } = await mintKey(system, 'acme', 'spendthrift', { limits: { rules: [budget] } })
  const pages = await Promise.all(['alerts', 'audit', 'access', 'reference'].map((at) => open(at)))
  for (const { page } of pages) {
    await page.clock.install()
    await page.reload()
  }
  for (const { page } of pages) {
    await expect.poll(() => page.locator('.freshness [role=status]').textContent()).toBe('Live')
    // Nobody is told more often than they would ask where nobody told them: from here on it is as long ago.
    await page.clock.fastForward(5_000)
  }
  const [alerts, audit, access] = pages.map(({ page }) => page)
  await create(system, '/admin/access/tokens', { name: 'heard of', role: 'viewer' })
  await audit?.locator('.audit-entry').first().getByText('created API tokens').waitFor()
  await access?.locator('.panel-tokens').getByText('heard of').first().waitFor()
  await (
    await ask(system, key, { model: 'sim-gpt-4o-fast', messages: says('Whose money is it?'), max_tokens: 20 })
  ).text()
  await alerts?.locator('.alert').first().getByText('spendthrift').first().waitFor()
  for (const { page, complaints } of pages) {
    expect(complaints).toEqual([])
    await page.close()
  }
}

/** The key is small, ends by itself, stands in the log, and is revoked when the page is left. */
export async function askWithMintedKey({ system, open }: Stage): Promise<void> {
  const looker = await create(system, '/admin/access/tokens', { name: 'looker at play', role: 'viewer' })
  const other = await open('playground', z.object({ token: z.string() }).parse(looker).token)
  await other.page.getByLabel('Virtual key').waitFor()
  await other.page.locator('.who', { hasText: 'Viewer' }).waitFor()
  expect(await other.page.getByRole('button', { name: 'Mint one for an hour' }).count()).toBe(0)
  await other.page.close()

  const { page, complaints } = await open('playground')
  await page.getByRole('button', { name: 'Mint one for an hour' }).click()
  const dialog = page.getByRole('dialog')
  await dialog.getByLabel('Charged to').selectOption({ label: 'acme' })
  expect(await barriers(page)).toEqual([])
  await dialog.getByRole('button', { name: 'Mint it' }).click()
  await page.getByText('$1.00 at most; revoked when you leave.').waitFor()
  await page.getByLabel('Model', { exact: true }).fill('sim-gpt-4o-fast')
  await page.getByLabel('Prompt').fill('Who pays for this?')
  await page.getByLabel('Prompt').press('Control+Enter')
  await page.locator('.panel-answer data.money').waitFor()
  expect(await page.locator('.playground-answer').textContent()).not.toBe('')
  await expectWhole(page)

  const found = async () => {
    const { rows } = KEYS.parse((await system.admin('GET', '/admin/keys?limit=500')).body)
    return rows.find(({ name }) => name === 'playground of ADMIN_TOKEN')
  }
  const minted = await found()
  expect(minted?.status).toBe('active')
  const { body } = await system.admin('GET', `/admin/keys/${minted?.id}`)
  const { expires_at_ms: endsMs } = z.object({ expires_at_ms: z.number() }).parse(body)
  expect(endsMs - Date.now()).toBeLessThanOrEqual(3_600_000)
  expect(body).toMatchObject({ tags: ['playground'], limits: { budget: { amount_usd: '1.00', period: 'day' } } })
  await page.getByRole('link', { name: 'Overview' }).click()
  await eventually(found, (key) => key?.status === 'revoked')
  expect(complaints).toEqual([])
  await page.close()
}

export async function changeAlertRules({ system, open }: Stage): Promise<void> {
  const { page, complaints } = await open('alerts')
  const dialog = page.getByRole('dialog')
  const everybody = page.locator('.panel-rules .access-line').filter({ hasText: 'For everybody' })
  await everybody.getByText('fail within five minutes, of at least 20').waitFor()
  await page.getByRole('button', { name: 'Change the rules for everybody' }).click()
  await dialog.getByLabel('Per cent of calls').fill('many')
  await dialog.getByRole('button', { name: 'Save the rules' }).click()
  await dialog.locator('.wrong .field-error').waitFor()
  expect(await barriers(page)).toEqual([])
  await dialog.getByLabel('Per cent of calls').fill('30')
  await dialog.getByLabel('A model is used whose price nobody knows').uncheck()
  await dialog.getByRole('button', { name: 'Save the rules' }).click()
  await everybody.getByText('30 % of the calls').waitFor()
  const rules = async (at = '') => (await system.admin('GET', `/admin/alert-rules${at}`)).body
  expect(await rules()).toMatchObject({ rules: { error_rate: { percent: 30, min_calls: 20 }, unknown_price: false } })

  await page.getByLabel('Rules of a tenant’s own').selectOption({ label: 'acme' })
  await dialog.getByLabel('To per cent').fill('80')
  await dialog.getByRole('button', { name: 'Save the rules' }).click()
  const own = page.locator('.panel-rules .access-line').filter({ hasText: 'For acme' })
  await own.getByText('will be used to 80 %').waitFor()
  await expectWhole(page)
  await own.getByRole('button', { name: 'Back to the usual' }).click()
  await dialog.getByRole('button', { name: 'Back to the usual' }).click()
  await own.waitFor({ state: 'detached' })
  await page.getByRole('button', { name: 'Back to the usual for everybody' }).click()
  await dialog.getByRole('button', { name: 'Back to the usual' }).click()
  await everybody.getByText('50 % of the calls').waitFor()
  expect(await rules('/acme')).toMatchObject({ rules: { unknown_price: true, forecast: { percent: 100 } } })

  const looker = await create(system, '/admin/access/tokens', { name: 'looker at alerts', role: 'viewer' })
  const other = await open('alerts', z.object({ token: z.string() }).parse(looker).token)
  await other.page.locator('.panel-rules').getByText('For everybody').waitFor()
  expect(await other.page.locator('.panel-rules').getByRole('button').count()).toBe(0)
  await other.page.close()
  expect(complaints).toEqual([])
  await page.close()
}
