// What an operator asks of a request without sending it, on the page of routes: where it would go, and why.
import type { Page } from 'playwright-core'
import { expect } from 'vitest'
import { says } from '../support/account.ts'

/** Asks about requests for `model`, which a route for `sim-gpt*` serves. */
export async function explainRequests(page: Page, { key, model }: { key: string; model: string }): Promise<void> {
  const button = page.getByRole('button', { name: 'Explain' })
  await button.click()
  await page.locator('.wrong').getByText('Type a virtual key.').waitFor()
  await page.getByLabel('Virtual key').fill('tg_test_wrong')
  await button.click()
  await page.locator('.wrong .field-error').waitFor()
  await page.getByLabel('Virtual key').fill(key)
  await page.getByLabel('Request body').fill(JSON.stringify({ model: model, messages: says('Hello') }))
  await button.click()
  await page.locator('.explanation').getByText('in good standing').waitFor()
  await page.locator('.explanation').getByText('would be admitted').waitFor()
  expect(await page.locator('.explanation').textContent()).toMatch(/Cache: .+\. *Limits/)
  expect(await page.locator('.explanation').textContent()).toContain(`${model} by chat → route sim-gpt*`)
  await page.getByLabel('Request body').fill(JSON.stringify({ model: 'unheard-of', messages: says('Hello') }))
  await button.click()
  await page.getByText('It would be answered with status 404').waitFor()
  await page.getByText('Read as a request to /v1/chat/completions: it has messages.').waitFor()
  await page.getByLabel('Kind').selectOption('Embeddings')
  await page.getByLabel('Request body').fill(JSON.stringify({ model: model, input: 'Hello' }))
  await button.click()
  await page.locator('.explanation').getByText(`${model} by embeddings → route sim-gpt*`).waitFor()
  await page.getByLabel('Kind').selectOption('Passed through to a provider')
  await button.click()
  await page.locator('.wrong .field-error').getByText('a path below a provider’s name').waitFor()
  await page.getByLabel('Path').fill('/simulated-openai/v1/embeddings')
  await button.click()
  await page.locator('.explanation').getByText('passed-through').waitFor()
}
