// Runs wrangler: silent, without telemetry, on the Node that runs us.
import { spawn } from 'node:child_process'
import path from 'node:path'
import { ROOT } from './bundle.ts'

const WRANGLER = path.join(ROOT, 'node_modules/wrangler/bin/wrangler.js')
const SILENT = {
  WRANGLER_SEND_METRICS: 'false',
  WRANGLER_SEND_ERROR_REPORTS: 'false',
  WRANGLER_HIDE_BANNER: 'true',
}
/** Nothing at all leaves the machine; for everything that needs no account. */
const OFFLINE = { ...SILENT, CLOUDFLARE_CF_FETCH_ENABLED: 'false', CI: '1' }

export interface WranglerRun {
  readonly code: number
  /** What it printed to stdout. */
  readonly stdout: string
  /** What it printed to stderr. */
  readonly stderr: string
}

export interface WranglerOptions {
  /** Sent to its stdin, which is then closed. */
  readonly input?: string
  /** Also show what it prints while it runs. */
  readonly isShown?: boolean
  /** It needs no account: forbid every network attempt. */
  readonly isOffline?: boolean
}

/** How someone would type the same command. */
export function typed(args: readonly string[]): string {
  return ['npx', 'wrangler', ...args].map((word) => (/^[\w@%+=:,./-]+$/.test(word) ? word : `'${word}'`)).join(' ')
}

/** Runs wrangler to its end. Never rejects for a command that fails: look at `code`. It is never asked questions. */
export async function wrangler(args: readonly string[], options: WranglerOptions = {}): Promise<WranglerRun> {
  const { promise, resolve, reject } = Promise.withResolvers<WranglerRun>()
  const env = { ...process.env, ...(options.isOffline === true ? OFFLINE : { ...SILENT, CI: '1' }) }
  const child = spawn(process.execPath, [WRANGLER, ...args], { cwd: ROOT, env, stdio: 'pipe' })
  let stdout = ''
  let stderr = ''
  child.stdout.on('data', (chunk: Buffer) => {
    stdout += chunk.toString()
    if (options.isShown === true) process.stdout.write(chunk)
  })
  child.stderr.on('data', (chunk: Buffer) => {
    stderr += chunk.toString()
    if (options.isShown === true) process.stderr.write(chunk)
  })
  child.once('error', reject)
  child.once('close', (code) => resolve({ code: code ?? 1, stdout, stderr }))
  child.stdin.end(options.input ?? '')
  return promise
}

/** Runs wrangler in the foreground, as for `wrangler dev`; resolves with its exit code. */
export async function wranglerInForeground(args: readonly string[]): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<number>()
  const env = { ...process.env, ...SILENT, CLOUDFLARE_CF_FETCH_ENABLED: 'false' }
  const child = spawn(process.execPath, [WRANGLER, ...args], { cwd: ROOT, env, stdio: 'inherit' })
  // The terminal's interrupt reaches wrangler too; let it end first.
  process.on('SIGINT', () => undefined)
  process.on('SIGTERM', () => child.kill('SIGTERM'))
  child.once('error', reject)
  child.once('close', (code) => resolve(code ?? 1))
  return promise
}
