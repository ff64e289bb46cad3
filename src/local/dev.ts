// `npm run dev`: the whole system in one Worker under `wrangler dev`, which reloads on every change of the code. For who
// works on it; `npm start` is faster and closer to production. Further arguments go to `wrangler dev`.
import path from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { ROOT } from './bundle.ts'
import { readDevVars } from './dev-vars.ts'
import { firstLine, Problem } from './problem.ts'
import { seed } from './seed.ts'
import { loadDemoKey, loadSecrets, makeStateFolder, saveDemoKey } from './state.ts'
import { welcome } from './welcome.ts'
import { wrangler, wranglerInForeground } from './wrangler.ts'

const PORT = '8787'
const URL_OF_GATEWAY = `http://127.0.0.1:${PORT}`
const START_MS_MAX = 60_000
const POLL_MS = 300
const STATE = path.join(ROOT, '.tidegate/dev')

async function run(): Promise<number> {
  const variables = await readDevVars(path.join(ROOT, '.dev.vars'))
  await makeStateFolder(STATE)
  const secrets = { ...(await loadSecrets(STATE)), ...variables }
  const database = ['--env', 'local', '--persist-to', STATE]
  const migrated = await wrangler(['d1', 'migrations', 'apply', 'tidegate', '--local', ...database], {
    isOffline: true,
  })
  if (migrated.code !== 0)
    throw new Problem(`The local database can't be migrated. Move ${STATE} away and start again.`)
  const { ADMIN_TOKEN, KEY_PEPPER, ALERT_KEY, CREDENTIAL_KEY } = secrets
  const given = Object.entries({ ADMIN_TOKEN, KEY_PEPPER, ALERT_KEY, CREDENTIAL_KEY }).flatMap(([name, value]) => [
    '--var',
    `${name}:${value}`,
  ])
  const stopped = wranglerInForeground(['dev', '--port', PORT, ...database, ...given, ...process.argv.slice(2)])
  greetWhenUp(secrets.ADMIN_TOKEN, variables).catch((error: unknown) => console.error(`tidegate: ${firstLine(error)}`))
  return stopped
}

async function isUp(): Promise<boolean> {
  return fetch(`${URL_OF_GATEWAY}/healthz`).then(
    (response) => response.ok,
    () => false,
  )
}

/** Fills the system as `npm start` does, as soon as it answers. */
async function greetWhenUp(adminToken: string, variables: Readonly<Record<string, string>>): Promise<void> {
  const deadlineMs = Date.now() + START_MS_MAX
  while (!(await isUp())) {
    if (Date.now() > deadlineMs) throw new Problem('The gateway has not come up. See what wrangler says above.')
    await delay(POLL_MS)
  }
  const outcome = await seed({ url: URL_OF_GATEWAY, adminToken }, variables, await loadDemoKey(STATE))
  await saveDemoKey(STATE, outcome.key)
  console.log(welcome(URL_OF_GATEWAY, adminToken, outcome))
}

try {
  process.exitCode = await run()
} catch (error) {
  console.error(error instanceof Problem ? `tidegate: ${error.message}` : error)
  process.exitCode = 1
}
