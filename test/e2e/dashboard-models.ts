// What an operator does on the page of models: sees how each does, compares two of them, takes one out of service.
import { expect } from 'vitest'
import * as z from 'zod/mini'
import { ask, create, eventually, mintKey, says } from '../support/account.ts'
import { expectWhole, type Stage } from './dashboard-teams.ts'
import { barriers } from './dashboard-page.ts'

const FIRST = 'sim-gpt-4o-fast'
const SECOND = 'sim-claude-fast'

export async function compareAndSwitch({ system, open }: Stage): Promise<void> {
  const { key } = await mintKey(system, 'acme', 'comparer')
  const asked = async (model: string): Promise<number> => {
    const answer = await ask(system, key, { model, messages: says('How fast?'), max_tokens: 20 })
    await answer.text()
    return answer.status
  }
  expect([await asked(FIRST), await asked(SECOND)]).toEqual([200, 200])
  const { page, complaints } = await open('')
  await page.getByRole('link', { name: 'Models' }).click()
  const line = (model: string) => page.locator('.models-table tbody tr').filter({ hasText: model })
  await line(SECOND).getByText('healthy').waitFor()
  expect(await line(SECOND).locator('td.number').nth(3).textContent()).toMatch(/^\d.* \/ \d/)

  for (const model of [FIRST, SECOND]) {
    await line(model).getByRole('checkbox').focus()
    await page.keyboard.press('Space')
  }
  const compared = page.locator('.comparison-table tbody tr')
  await compared.first().waitFor()
  await page.reload()
  await compared.first().waitFor()
  expect(await compared.count()).toBe(12)
  await page.getByText('may be chance').waitFor()
  const { body } = await system.admin('GET', `/admin/reports?metrics=spend&model=${SECOND}`)
  const spent = z.object({ total: z.object({ cost_nano_usd: z.string() }) }).parse(body).total.cost_nano_usd
  const shown = compared.filter({ hasText: 'Spend' }).locator('.cell-compared').nth(1).locator('data')
  expect(Number(await shown.getAttribute('value'))).toBe(Number(spent) / 1e9)
  await expectWhole(page)

  await page.getByRole('button', { name: 'Switch something off' }).click()
  const dialog = page.getByRole('dialog')
  await dialog.getByLabel('Which').selectOption(SECOND)
  await dialog.getByRole('button', { name: 'Switch it off' }).click()
  await dialog.locator('.wrong .field-error').waitFor()
  expect(await barriers(page)).toEqual([])
  await dialog.getByLabel('Why').fill('it answers nonsense')
  await dialog.getByRole('button', { name: 'Switch it off' }).click()
  await page.locator('.panel-switches').getByText('it answers nonsense').waitFor()
  await line(SECOND).getByText('switched off').waitFor()
  await eventually(
    () => asked(SECOND),
    (status) => status !== 200,
  )
  await expectLookerCannot({ system, open })
  await page.getByRole('button', { name: `Switch on ${SECOND}` }).click()
  await dialog.getByRole('button', { name: 'Switch it on' }).click()
  await page.getByText(`The model ${SECOND} is on again.`).waitFor()
  await eventually(
    () => asked(SECOND),
    (status) => status === 200,
  )
  expect(complaints).toEqual([])
  await page.close()
}

/** Whoever may only look sees what is off, and why. */
async function expectLookerCannot({ system, open }: Stage): Promise<void> {
  const looker = await create(system, '/admin/access/tokens', { name: 'looker', role: 'viewer' })
  const { page } = await open('models', z.object({ token: z.string() }).parse(looker).token)
  await page.locator('.panel-switches').getByText('it answers nonsense').waitFor()
  expect(await page.getByRole('button', { name: /^Switch/ }).count()).toBe(0)
  await page.close()
}
