// A whole running system for one test file: fresh state in a temporary folder, any free port, secrets that tests know.
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { startSystem, type LogLine, type RunningSystem, type SystemOptions } from '../../src/local/system.ts'
import { giveMigratedState, preparedCode } from './prepared-system.ts'

export const TEST_ADMIN_TOKEN = 'admin-token-of-the-tests'
export const TEST_KEY_PEPPER = 'pepper-of-the-tests'
export const TEST_ALERT_KEY = 'alert-key-of-the-tests'
const TEST_CREDENTIAL_KEY = Buffer.alloc(32, 'c').toString('base64')

export interface TestSystem extends RunningSystem {
  readonly stateDir: string
  /** What the Workers have logged so far. */
  readonly logs: readonly LogLine[]
  /** Calls the admin API; the body is sent as JSON. */
  admin(method: string, pathname: string, body?: unknown): Promise<{ readonly status: number; readonly body: unknown }>
}

/** The admin API of a test system at `url`. */
export function adminAt(url: string): TestSystem['admin'] {
  return async (method, pathname, body) => {
    const response = await fetch(url + pathname, {
      method,
      headers: { authorization: `Bearer ${TEST_ADMIN_TOKEN}`, 'content-type': 'application/json' },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    })
    const text = await response.text()
    const parsed: unknown = text === '' ? undefined : JSON.parse(text)
    return { status: response.status, body: parsed }
  }
}

/**
 * Starts a system without a dashboard unless asked for. `dispose` also removes the state, except when `stateDir` was
 * given: then it belongs to the caller, who may start again on it.
 */
export async function startTestSystem(options: Partial<SystemOptions> = {}): Promise<TestSystem> {
  const stateDir = options.stateDir ?? (await mkdtemp(path.join(tmpdir(), 'tidegate-')))
  await giveMigratedState(stateDir)
  const built = options.minify === true ? undefined : await preparedCode()
  const logs: LogLine[] = []
  const system = await startSystem({
    dashboard: false,
    queueBatchSeconds: 0.05,
    onLog: (line) => logs.push(line),
    ...(built === undefined ? {} : { built }),
    ...options,
    secrets: {
      ADMIN_TOKEN: TEST_ADMIN_TOKEN,
      KEY_PEPPER: TEST_KEY_PEPPER,
      ALERT_KEY: TEST_ALERT_KEY,
      CREDENTIAL_KEY: TEST_CREDENTIAL_KEY,
      ...options.secrets,
    },
    stateDir,
  })
  return {
    ...system,
    stateDir,
    logs,
    admin: adminAt(system.url),
    async dispose() {
      await system.dispose()
      if (options.stateDir === undefined) await rm(stateDir, { recursive: true, force: true })
    },
  }
}
