// What the dashboard's tests do with a page, and ask of it.
import axe from 'axe-core'
import { mkdirSync } from 'node:fs'
import { createServer } from 'node:http'
import path from 'node:path'
import type { Page } from 'playwright-core'
import { expect } from 'vitest'

/** Longer than two refreshes. */
export const WAIT_MS = 40_000

const PICTURES = path.resolve(import.meta.dirname, '../../dist/screenshots')

/** Keeps what a page looks like in `dist/screenshots`, for whoever sets `SCREENSHOTS`: no test compares it, and to paint it
 *  takes longer than most of what is tested. */
export async function keepPicture(page: Page, name: string, { fullPage = false } = {}): Promise<void> {
  if (process.env['SCREENSHOTS'] === undefined) return
  mkdirSync(PICTURES, { recursive: true })
  await page.screenshot({ path: path.join(PICTURES, `${name}.png`), fullPage, animations: 'disabled' })
}

/** Signs in with `token`. */
export async function signIn(page: Page, token: string): Promise<void> {
  await page.getByLabel('Admin token').fill(token)
  await page.getByRole('button', { name: 'Sign in' }).click()
}

type Locator = ReturnType<Page['locator']>

/** Waits until `locator` says exactly `text`. */
export async function expectText(locator: Locator, text: string): Promise<void> {
  await expect.poll(() => locator.textContent(), { timeout: WAIT_MS }).toBe(text)
}

/** Waits until `locator` finds `count` elements. */
export async function expectCount(locator: Locator, count: number): Promise<void> {
  await expect.poll(() => locator.count(), { timeout: WAIT_MS }).toBe(count)
}

/** Waits until nothing on the page is still being loaded. */
export async function expectLoaded(page: Page): Promise<void> {
  await expectCount(page.getByText('Loading…'), 0)
}

/** The rows of a spend table as `name | requests | tokens | spend | share`. */
export async function rowsOf(page: Page, panel: string): Promise<string[]> {
  const rows = await page.locator(`${panel} tbody tr`).all()
  return Promise.all(
    rows.map(async (row) => {
      const name = await row.locator('.name').textContent()
      const cells = await row.locator('td').allTextContents()
      return [name, ...cells].join(' | ')
    }),
  )
}

/** How far a page reaches beyond its sides, in px. */
export function overflowOf(page: Page): Promise<unknown> {
  return page.evaluate('document.documentElement.scrollWidth - document.documentElement.clientWidth')
}

/** What axe finds serious or worse: rule and element. */
export async function barriers(page: Page): Promise<readonly string[]> {
  const found: unknown = await page.evaluate(`(async () => {
    if (window.axe === undefined) new Function(${JSON.stringify(axe.source)})()
    const { violations } = await axe.run(document, { resultTypes: ['violations'] })
    return violations.filter(({ impact }) => impact === 'serious' || impact === 'critical')
      .flatMap(({ id, nodes }) => nodes.map(({ target, failureSummary }) => [id, ...target, failureSummary].join(' ')))
  })()`)
  return Array.isArray(found) ? found.map(String) : ['axe said nothing']
}

export interface Receiver {
  readonly url: string
  /** Bodies, in order. */
  readonly received: readonly string[]
  close(): Promise<unknown>
}

/** What a webhook is sent to: answers with `statuses`, one after another, the last for ever. */
export async function startReceiver(statuses: readonly number[]): Promise<Receiver> {
  const received: string[] = []
  const server = createServer((request, response) => {
    let body = ''
    request.setEncoding('utf8').on('data', (text: string) => (body += text))
    request.on('end', () => {
      received.push(body)
      response.writeHead(statuses[received.length - 1] ?? statuses.at(-1) ?? 204).end()
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('the receiver has no port')
  return {
    url: `http://127.0.0.1:${address.port}/hook`,
    received,
    close: () => new Promise((resolve) => server.close(resolve)),
  }
}
