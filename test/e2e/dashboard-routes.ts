// What an operator does on the page of routes: puts a chain in another order, begins a canary, takes it back, lets it serve.
import type { Locator, Page } from 'playwright-core'
import { expect } from 'vitest'
import * as z from 'zod/mini'
import { create, createRoute, simulatedTarget } from '../support/account.ts'
import { barriers, keepPicture } from './dashboard-page.ts'
import { expectWhole, type Stage } from './dashboard-teams.ts'

const MEMBER = z.union([
  z.string(),
  z.looseObject({ target: z.optional(z.string()), weight: z.optional(z.number()), watch: z.optional(z.unknown()) }),
])
const ROUTE = z.object({
  targets: z.array(z.string()),
  group: z.nullable(z.object({ strategy: z.string(), members: z.array(MEMBER) })),
})

export async function orderAndRamp({ system, open }: Stage): Promise<void> {
  const targets = ['one', 'two', 'three'].map((name) => simulatedTarget(`chain-${name}`, 'sim-gpt-4o-fast'))
  await createRoute(system, 'chained', targets)
  const { body } = await system.admin('GET', '/admin/routes?limit=500')
  const { rows } = z.object({ rows: z.array(z.object({ id: z.string(), model: z.string() })) }).parse(body)
  const id = rows.find(({ model }) => model === 'chained')?.id ?? ''
  const routeNow = async () => ROUTE.parse((await system.admin('GET', `/admin/routes/${id}`)).body)

  const { page, complaints } = await open('routes')
  const route = page.locator('.route').filter({ hasText: 'chained' })
  await expectOrders(page, route, routeNow)

  // Somebody else is quicker: theirs is shown, and nothing of either is lost.
  await route.getByRole('button', { name: 'Change the targets of chained' }).click()
  await route.locator('.order li').first().waitFor()
  await system.admin('PATCH', `/admin/routes/${id}`, { targets: ['chain-one', 'chain-two'] })
  await route.getByRole('button', { name: 'Move chain-three up' }).click()
  await route.getByRole('button', { name: 'Save the targets' }).click()
  await route.getByRole('alert').getByText('Somebody else changed this route meanwhile').waitFor()
  await expect.poll(() => namesIn(route)).toEqual(['chain-one', 'chain-two'])
  expect((await routeNow()).targets).toEqual(['chain-one', 'chain-two'])
  await route.getByRole('button', { name: 'Cancel' }).click()

  await expectTargets(page, route, routeNow)
  await expectCanary(page, route, routeNow)
  await expectWhole(page)
  const looker = await create(system, '/admin/access/tokens', { name: 'looker at routes', role: 'viewer' })
  const other = await open('routes', z.object({ token: z.string() }).parse(looker).token)
  await other.page.getByText('read only').waitFor()
  expect(await other.page.locator('.route').getByRole('button').count()).toBe(0)
  await other.page.close()
  await expectWeights({ system, open })
  expect(complaints).toEqual([])
  await page.close()
}

type RouteNow = () => Promise<z.infer<typeof ROUTE>>

function namesIn(route: Locator): Promise<string[]> {
  return route.locator('.order .name').allTextContents()
}

/** By keyboard, then by pointer; each is what the gateway has afterwards. */
async function expectOrders(page: Page, route: Locator, routeNow: RouteNow): Promise<void> {
  await route.getByRole('button', { name: 'Change the targets of chained' }).click()
  await route.getByRole('button', { name: 'Move chain-three up' }).focus()
  await page.keyboard.press('Enter')
  await route.getByText('chain-three is tried as number 2 of 3.').waitFor({ state: 'attached' })
  await page.keyboard.press('Enter')
  await expect.poll(() => namesIn(route)).toEqual(['chain-three', 'chain-one', 'chain-two'])
  // At the top it can't go up any more: the way down has the focus.
  expect(await page.evaluate('document.activeElement.ariaLabel')).toBe('Move chain-three down')
  expect(await barriers(page)).toEqual([])
  await route.getByRole('button', { name: 'Save the targets' }).click()
  await page.getByText('The targets of chained are saved.').waitFor()
  expect((await routeNow()).targets).toEqual(['chain-three', 'chain-one', 'chain-two'])

  await route.getByRole('button', { name: 'Change the targets of chained' }).click()
  const grip = await route.locator('.grip').first().boundingBox()
  const last = await route.locator('.order li').last().boundingBox()
  if (grip === null || last === null) throw new Error('there is nothing to drag')
  await page.mouse.move(grip.x + grip.width / 2, grip.y + grip.height / 2)
  await page.mouse.down()
  await page.mouse.move(grip.x, last.y + last.height, { steps: 8 })
  await page.mouse.up()
  await expect.poll(() => namesIn(route)).toEqual(['chain-one', 'chain-two', 'chain-three'])
  await route.getByRole('button', { name: 'Save the targets' }).click()
  await expect.poll(async () => (await routeNow()).targets).toEqual(['chain-one', 'chain-two', 'chain-three'])
}

/** One is added and taken away, but for the last; and where there are shares, they are set. */
async function expectTargets(page: Page, route: Locator, routeNow: RouteNow): Promise<void> {
  const change = () => route.getByRole('button', { name: 'Change the targets of chained' }).click()
  const save = async () => {
    await route.getByRole('button', { name: 'Save the targets' }).click()
    await route.getByRole('button', { name: 'Save the targets' }).waitFor({ state: 'detached' })
  }
  await change()
  await route.getByLabel('Another target of chained').selectOption('chain-three')
  await route.getByRole('button', { name: 'Add it as the last' }).click()
  await route.getByRole('button', { name: 'Remove chain-one' }).focus()
  await page.keyboard.press('Enter')
  await expect.poll(() => page.evaluate('document.activeElement.ariaLabel')).toBe('Remove chain-two')
  await page.keyboard.press('Enter')
  await page.keyboard.press('Enter')
  await route.getByRole('alert').getByText('This is its last target').waitFor()
  expect(await namesIn(route)).toEqual(['chain-three'])
  expect(await barriers(page)).toEqual([])
  await expectWhole(page)
  await save()
  expect((await routeNow()).targets).toEqual(['chain-three'])

  await change()
  for (const name of ['chain-one', 'chain-two']) {
    await route.getByLabel('Another target of chained').selectOption(name)
    await route.getByRole('button', { name: 'Add it as the last' }).click()
  }
  await route.getByRole('button', { name: 'Remove chain-three' }).click()
  await keepPicture(page, 'route-targets')
  await save()
  expect((await routeNow()).targets).toEqual(['chain-one', 'chain-two'])
}

/** In a group that gives shares, an added one has a weight, and each can be given another. */
export async function expectWeights({ system, open }: Stage): Promise<void> {
  const targets = ['chain-one', 'chain-two']
  const members = targets.map((target) => ({ target, weight: 2 }))
  const made = await create(system, '/admin/routes', { model: 'shared', group: { strategy: 'weighted', members } })
  const { id } = z.object({ id: z.string() }).parse(made)
  const { page } = await open('routes')
  const route = page.locator('.route').filter({ hasText: 'shared' })
  await route.getByRole('button', { name: 'Change the targets of shared' }).click()
  await route.getByLabel('Another target of shared').selectOption('chain-three')
  await route.getByRole('button', { name: 'Add it with weight 1' }).click()
  await route.getByLabel('Weight of chain-three').fill('some')
  await route.getByRole('button', { name: 'Save the targets' }).click()
  await route.getByRole('alert').getByText('A weight is a number').waitFor()
  await route.getByLabel('Weight of chain-three').fill('4')
  await route.getByRole('button', { name: 'Remove chain-one' }).click()
  await route.getByRole('button', { name: 'Save the targets' }).click()
  await page.getByText('The targets of shared are saved.').waitFor()
  const { group } = ROUTE.parse((await system.admin('GET', `/admin/routes/${id}`)).body)
  expect(group?.members).toEqual([
    { target: 'chain-two', weight: 2 },
    { target: 'chain-three', weight: 4 },
  ])
  await page.close()
}

async function expectCanary(page: Page, route: Locator, routeNow: RouteNow): Promise<void> {
  const dialog = page.getByRole('dialog')
  await route.getByRole('button', { name: 'Start a canary of chained' }).click()
  await dialog.getByLabel('Target').selectOption('chain-three')
  await dialog.getByLabel('Share, in per cent').fill('100')
  await dialog.getByRole('button', { name: 'Start it' }).click()
  await dialog.locator('.wrong').getByText('from above 0 to 99').waitFor()
  await dialog.getByLabel('Share, in per cent').fill('20')
  await dialog.getByLabel('Beyond % errors').fill('5')
  expect(await barriers(page)).toEqual([])
  await dialog.getByRole('button', { name: 'Start it' }).click()
  await route.locator('.canary').getByText('gets 20.0 %').waitFor()
  const watch = { max_error_rate: 0.05, min_requests: 50, window_minutes: 15 }
  expect((await routeNow()).group).toMatchObject({
    strategy: 'weighted',
    members: [{ weight: 100 }, { target: 'chain-three', weight: 25, watch }],
  })

  await route.getByRole('button', { name: 'Change its share' }).click()
  await dialog.getByLabel('Share, in per cent').fill('50')
  await dialog.getByLabel('Grown to over minutes').fill('60')
  await dialog.getByRole('button', { name: 'Change it' }).click()
  await route.locator('.canary').getByText('growing to 50.0 % until').waitFor()
  await route.getByRole('button', { name: 'Roll back' }).click()
  await dialog.getByRole('button', { name: 'Roll it back' }).click()
  await route.locator('.canary .badge').getByText('taken back', { exact: true }).waitFor()
  expect((await routeNow()).group?.members.at(-1)).toEqual({ target: 'chain-three', weight: 0 })

  await route.getByRole('button', { name: 'Start it again' }).click()
  await dialog.getByRole('button', { name: 'Change it' }).click()
  await route.locator('.canary').getByText('gets 10.0 %').waitFor()
  await route.getByRole('button', { name: 'Let it serve all' }).click()
  await dialog.getByRole('button', { name: 'Let it serve all' }).click()
  await expect.poll(async () => (await routeNow()).targets).toEqual(['chain-three', 'chain-one', 'chain-two'])
  expect((await routeNow()).group).toBeNull()
  await route.locator('.canary').waitFor({ state: 'detached' })
}
