// A key that is rotated in the dashboard, by somebody who has its page open: its new secret is shown once, the old one works until
// it is ended.
import type { Page } from 'playwright-core'
import { expect } from 'vitest'
import { barriers, keepPicture } from './dashboard-page.ts'

interface Rotated {
  /** What the key's secret was. */
  readonly key: string
  /** Whether the gateway takes a secret: the answer to a request with it. */
  readonly ask: (key: string) => Promise<Response>
}

export async function rotateKey(page: Page, { key, ask }: Rotated): Promise<void> {
  const statusOf = async (secret: string) => {
    const response = await ask(secret)
    await response.text()
    return response.status
  }
  await page.getByRole('button', { name: 'Rotate' }).click()
  const dialog = page.getByRole('dialog')
  expect(await dialog.getByRole('radio', { name: '24 hours' }).isChecked()).toBe(true)
  await dialog.getByRole('radio', { name: '1 hour' }).check()
  await keepPicture(page, 'key-rotate')
  await dialog.getByRole('button', { name: 'Give it another secret' }).click()
  const secret = (await dialog.locator('.command code').textContent()) ?? ''
  expect(secret).not.toBe(key)
  expect([await statusOf(secret), await statusOf(key)]).toEqual([200, 200])
  await dialog.getByRole('button', { name: 'Close' }).click()
  await page.getByText('The key has another secret.').waitFor()
  await page.locator('.old-secrets').getByText('old secret works until').waitFor()
  expect(await page.locator('.old-secrets').textContent()).toMatch(`ends in ${key.slice(-4)}, last used `)
  await keepPicture(page, 'key-rotated')
  expect(await barriers(page)).toEqual([])
  expect(await page.content()).not.toContain(secret)
  await page.getByRole('button', { name: 'End now' }).click()
  await dialog.getByRole('button', { name: 'End it now' }).click()
  await page.getByText('Only the latest secret works.').waitFor()
  await page.locator('.old-secrets').waitFor({ state: 'detached' })
  const refused = await ask(key)
  expect([refused.status, await refused.text()]).toEqual([401, expect.stringContaining('replaced by another one')])
  expect(await statusOf(secret)).toBe(200)
}
