// What every system of a run starts with, made once: the Workers' code, the dashboard, and a state with a migrated database. To build and to
// migrate takes longer than all else that a start does. The default export is the global set-up of vitest; files of the run,
// and processes that they start, find what it made by a variable of the environment.
import { existsSync } from 'node:fs'
import { cp, mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import * as z from 'zod/mini'
import { buildDashboardIfStale } from '../../src/local/dashboard.ts'
import { type BuiltSystem, buildSystem, startSystem } from '../../src/local/system.ts'

const FOLDER_VARIABLE = 'TIDEGATE_PREPARED'

const BUILT = z.object({
  gateway: z.array(z.object({ name: z.string(), code: z.string() })),
  usage: z.string(),
  simulated: z.string(),
})

/** Prepares, and says how to clean up. Does nothing where it has been done for this run. */
export default async function prepare(): Promise<(() => Promise<void>) | undefined> {
  if (process.env[FOLDER_VARIABLE] !== undefined) return undefined
  const folder = await mkdtemp(path.join(tmpdir(), 'tidegate-prepared-'))
  const built = await buildSystem(false).catch((error: unknown) => {
    // A bundler's error is an object of its own kind, which the test runner can't print.
    throw new Error(error instanceof Error ? error.message : String(error))
  })
  await writeFile(path.join(folder, 'built.json'), JSON.stringify(built))
  // Files that run side by side would build it into each other's hands.
  await buildDashboardIfStale()
  const stateDir = path.join(folder, 'state')
  const system = await startSystem({ built, stateDir, dashboard: false, simulated: false, usageConsumer: false })
  await system.dispose()
  process.env[FOLDER_VARIABLE] = folder
  return async () => {
    delete process.env[FOLDER_VARIABLE]
    await rm(folder, { recursive: true, force: true })
  }
}

/** The Workers' code, not minified; undefined where nothing was prepared. */
export async function preparedCode(): Promise<BuiltSystem | undefined> {
  const folder = process.env[FOLDER_VARIABLE]
  if (folder === undefined) return undefined
  return BUILT.parse(JSON.parse(await readFile(path.join(folder, 'built.json'), 'utf8')))
}

/** Puts a migrated database into `stateDir`, unless something stands there or nothing was prepared. */
export async function giveMigratedState(stateDir: string): Promise<void> {
  const folder = process.env[FOLDER_VARIABLE]
  if (folder === undefined || (existsSync(stateDir) && (await readdir(stateDir)).length > 0)) return
  await cp(path.join(folder, 'state'), stateDir, { recursive: true })
}
