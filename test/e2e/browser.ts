// A real Chromium for page tests: the one at CHROME_PATH, else the one in the npm package, which runs on Linux x64 only.
// Elsewhere there is none, and page tests skip with the reason given here.
import chromium from '@sparticuz/chromium'
import { type Browser, chromium as driver } from 'playwright-core'

/** Why no browser can be started on this machine; null where one can. */
export function whyNoBrowser(): string | null {
  if (process.env['CHROME_PATH'] !== undefined) return null
  if (process.platform === 'linux' && process.arch === 'x64') return null
  return `no packaged Chromium for ${process.platform} ${process.arch}: set CHROME_PATH to an installed Chrome to run page tests`
}

/** Starts the browser without a window. The caller closes it. */
export async function launchBrowser(): Promise<Browser> {
  const installed = process.env['CHROME_PATH']
  if (installed !== undefined) return driver.launch({ executablePath: installed, headless: true })
  return driver.launch({
    executablePath: await chromium.executablePath(),
    // Not the package's own arguments: its single process dies with the first page that is closed.
    args: ['--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage'],
    headless: true,
  })
}
