// What an operator does with providers' credentials: stored ones, and one of a Secrets Store.
import { expect } from 'vitest'
import { ask, createRoute, createTenant, says } from '../support/account.ts'
import { barriers } from './dashboard-page.ts'
import type { Stage } from './dashboard-teams.ts'

const MODEL = 'sim-gpt-4o-fast'
/** The binding to a Secrets Store that the system has. */
export const STORE_BINDING = 'VAULT_API_KEY'

/** Each is added, tried out, used, rotated and deleted; what it is, no page says again. */
export async function keepCredentials({ system, open }: Stage): Promise<void> {
  const { key } = await createTenant(system, 'credentials')
  const asked = async (model: string) => (await ask(system, key, { model, messages: says('Hello?') })).status
  const { page, complaints } = await open('access')
  const panel = page.locator('.panel-credentials')
  const dialog = page.getByRole('dialog')
  await panel.getByRole('button', { name: 'Add a credential' }).click()
  await dialog.getByLabel('Name').fill('Sim')
  await dialog.getByLabel('Provider').fill('simulated-openai')
  const value = dialog.getByLabel('Value')
  expect([await value.getAttribute('type'), await value.getAttribute('autocomplete')]).toEqual(['password', 'off'])
  await value.fill('sk-simulated-0123456789wxyz')
  await dialog.getByRole('button', { name: 'Add it' }).click()
  await dialog.getByText('Must be 1 to 100 small letters').waitFor()
  await dialog.getByLabel('Name').fill('sim')
  await dialog.getByRole('button', { name: 'Add it' }).click()
  const line = panel.locator('.access-line', { hasText: 'sim' })
  await line.getByText('stored here, ends in wxyz').waitFor()
  await line.getByRole('button', { name: 'Check sim' }).click()
  await line.getByText('The provider accepts it.').waitFor()
  const target = { provider: 'simulated-openai', model: MODEL, max_retries: 0 }
  await createRoute(system, 'with-own-credential', [{ ...target, id: 'own', credential: 'sim' }])
  expect(await asked('with-own-credential')).toBe(200)
  await page.reload()
  await line.getByText('Used by own').waitFor()
  await line.getByRole('button', { name: 'Delete sim' }).click()
  await dialog.getByRole('button', { name: 'Delete it' }).click()
  await dialog.getByText('used by the targets own').waitFor()
  await dialog.getByRole('button', { name: 'Close' }).click()
  await line.getByRole('button', { name: 'Rotate sim' }).click()
  await dialog.getByLabel('Value').fill('sk-second-0123456789lmno')
  await dialog.getByRole('button', { name: 'Rotate it' }).click()
  await line.getByText('ends in lmno').waitFor()
  await line.getByText('what it was before is tried until').waitFor()
  expect(await asked('with-own-credential')).toBe(200)
  expect(await page.content()).not.toMatch(/sk-s/)
  expect(await barriers(page)).toEqual([])
  const named = { name: 'vault', secret: STORE_BINDING }
  expect((await system.admin('POST', '/admin/credentials', named)).status).toBe(201)
  await createRoute(system, 'with-stored-credential', [{ ...target, id: 'vault', credential: 'vault' }])
  expect(await asked('with-stored-credential')).toBe(502)
  const { page: routes } = await open('routes')
  await routes.getByLabel('Virtual key').fill(key)
  await routes
    .getByLabel('Request body')
    .fill(JSON.stringify({ model: 'with-stored-credential', messages: says('Hello') }))
  await routes.getByRole('button', { name: 'Explain' }).click()
  await routes.locator('.explanation').getByText('The Secrets Store doesn’t give the target’s credential.').waitFor()
  await routes.close()
  const store = await system.mf.getSecretsStoreSecretAPI(STORE_BINDING, 'tidegate')
  await store().create('sk-secret-of-the-store')
  expect(await asked('with-stored-credential')).toBe(200)
  await system.admin('PATCH', '/admin/targets/own', { credential: 'vault' })
  await page.reload()
  await panel.getByText(`${STORE_BINDING} of a Secrets Store`).waitFor()
  await line.getByText('No target uses it').waitFor()
  await line.getByRole('button', { name: 'Delete sim' }).click()
  await dialog.getByRole('button', { name: 'Delete it' }).click()
  await line.waitFor({ state: 'detached' })
  expect(complaints).toEqual([])
  expect(JSON.stringify(system.logs)).not.toMatch(/sk-s/)
}
