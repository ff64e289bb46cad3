// `npm run dev`: the whole system in one Worker under `wrangler dev`, which reloads on every change of the code. For who
// works on it; `npm start` is faster and closer to production. Further arguments go to `wrangler dev`.
import path from 'node:path'
import { ROOT } from './bundle.ts'
import { Problem } from './problem.ts'
import { readDevVars } from './dev-vars.ts'
import { loadSecrets, makeStateFolder } from './state.ts'
import { wrangler, wranglerInForeground } from './wrangler.ts'

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
  console.log(`Admin token: ${secrets.ADMIN_TOKEN}`)
  const given = [`ADMIN_TOKEN:${secrets.ADMIN_TOKEN}`, `KEY_PEPPER:${secrets.KEY_PEPPER}`].flatMap((pair) => [
    '--var',
    pair,
  ])
  return wranglerInForeground(['dev', '--port', '8787', ...database, ...given, ...process.argv.slice(2)])
}

try {
  process.exitCode = await run()
} catch (error) {
  console.error(error instanceof Problem ? `tidegate: ${error.message}` : error)
  process.exitCode = 1
}
