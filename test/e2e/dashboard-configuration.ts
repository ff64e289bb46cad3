// What an operator does with the configuration's revisions: compares any two, and goes back to one from there.
import { expect } from 'vitest'
import * as z from 'zod/mini'
import { create } from '../support/account.ts'
import { expectWhole, type Stage } from './dashboard-teams.ts'

const REVISIONS = z.object({ revision: z.number(), rows: z.array(z.object({ revision: z.number() })) })

export async function compareRevisions({ system, open }: Stage): Promise<void> {
  const present = async () =>
    REVISIONS.parse((await system.admin('GET', '/admin/configuration/revisions')).body).revision
  async function apply(document: object): Promise<number> {
    const body = { document, expected_revision: await present() }
    const { status, body: told } = await system.admin('POST', '/admin/configuration/apply', body)
    expect(status).toBe(200)
    return z.object({ revision: z.number() }).parse(told).revision
  }
  const first = await apply({ tenants: [{ name: 'compared', cache: { mode: 'off', ttl_seconds: 60 } }] })
  const second = await apply({ tenants: [{ name: 'compared', cache: { mode: 'all', ttl_seconds: 60 } }] })
  await apply({ tenants: [{ name: 'later' }] })

  const { page, complaints } = await open('configuration')
  const side = (name: 'From' | 'To') => page.getByLabel(name, { exact: true })
  const diff = page.locator('.panel-compare .diff')
  await side('From').selectOption(String(first))
  await side('To').selectOption(String(second))
  const cache = diff.locator('.field-change', { hasText: 'cache.mode' })
  await cache.locator('del').getByText('off').waitFor()
  await cache.locator('ins').getByText('all').waitFor()
  await page.getByText('1 changed', { exact: true }).waitFor()

  await side('To').selectOption('present')
  await diff.getByText('tenants later, made').waitFor()
  await page.getByRole('button', { name: 'Turn round' }).click()
  await diff.getByText('tenants later, taken away').waitFor()
  expect(new URL(page.url()).search).toBe(`?from=present&to=${first}`)
  await page.getByRole('button', { name: 'Turn round' }).click()
  await diff.getByText('tenants later, made').waitFor()
  await expectWhole(page)

  const looker = await create(system, '/admin/access/tokens', { name: 'looker at revisions', role: 'viewer' })
  const { token } = z.object({ token: z.string() }).parse(looker)
  const other = await open(`configuration?from=${first}&to=present`, token)
  await other.page.locator('.panel-compare').getByText('tenants later, made').waitFor()
  expect(await other.page.getByRole('button', { name: /^Go back/ }).count()).toBe(0)
  await other.page.close()

  const panel = page.locator('.panel-compare')
  await panel.getByRole('button', { name: `Go back to ${first}…` }).click()
  await panel.getByRole('button', { name: 'Go back', exact: true }).click()
  await panel.getByText(`The configuration is as in revision ${first}`).waitFor()
  const { body } = await system.admin('GET', '/admin/tenants?limit=500')
  expect(JSON.stringify(body)).not.toContain('"later"')
  expect(complaints).toEqual([])
  await page.close()
}
