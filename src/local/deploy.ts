// `npm run deploy`: everything that a deployment needs, in an order in which a failure at any step leaves what runs
// untouched, and which may be repeated: database and schema, queues, gateway (wrangler makes its KV namespaces), secrets,
// usage consumer. `--dry-run` needs no account: it prints each command and bundles both Workers.
import { randomBytes } from 'node:crypto'
import { createInterface } from 'node:readline/promises'
import { DEPLOYED, dryRunAll } from './dry-run.ts'
import { Problem } from './problem.ts'
import { typed, wrangler, type WranglerOptions, type WranglerRun } from './wrangler.ts'

const DATABASE = 'tidegate'
const QUEUES = ['tidegate-usage', 'tidegate-usage-dead', 'tidegate-telemetry']
const CREATE_DATABASE = ['d1', 'create', DATABASE]
const MIGRATE = ['d1', 'migrations', 'apply', DATABASE, '--remote', '--env', '']

/** The secrets of each deployed Worker that someone has to make. Providers' credentials are stored under CREDENTIAL_KEY, or set
 *  with `wrangler secret put`. */
const NEEDED_SECRETS: Readonly<Record<string, readonly string[]>> = {
  '': ['ADMIN_TOKEN', 'KEY_PEPPER', 'ALERT_KEY', 'CREDENTIAL_KEY'],
  usage: ['ADMIN_TOKEN', 'ALERT_KEY'],
}

async function must(args: readonly string[], options: WranglerOptions = {}): Promise<WranglerRun> {
  console.log(`$ ${typed(args)}`)
  const run = await wrangler(args, { isShown: true, ...options })
  if (run.code !== 0) throw new Problem(`\`${typed(args)}\` failed. Solve what it says above and run this again.`)
  return run
}

async function requireLogin(): Promise<void> {
  const run = await wrangler(['whoami'])
  if (run.code === 0 && !/not authenticated/i.test(run.stdout + run.stderr)) return
  throw new Problem('Not logged in. Run `npx wrangler login`, or set CLOUDFLARE_API_TOKEN and CLOUDFLARE_ACCOUNT_ID.')
}

async function provisionDatabase(): Promise<void> {
  const listed = await wrangler(['d1', 'list', '--json'])
  if (listed.code !== 0) throw new Problem("The D1 databases of this account can't be listed: does the token allow D1?")
  const names = [...listed.stdout.matchAll(/"name":\s*"([^"]+)"/g)].map(([, name]) => name)
  if (!names.includes(DATABASE)) await must([...CREATE_DATABASE])
  await must(MIGRATE)
}

async function provisionQueues(): Promise<void> {
  for (const queue of QUEUES) {
    const found = await wrangler(['queues', 'info', queue])
    if (found.code !== 0) await must(['queues', 'create', queue])
  }
}

async function missingSecrets(environment: string): Promise<string[]> {
  const { code, stdout } = await wrangler(['secret', 'list', '--env', environment])
  if (code !== 0) return [...(NEEDED_SECRETS[environment] ?? [])]
  const names = [...stdout.matchAll(/"name":\s*"([^"]+)"/g)].map(([, name]) => name)
  return (NEEDED_SECRETS[environment] ?? []).filter((name) => !names.includes(name))
}

async function mayGenerate(names: readonly string[], args: readonly string[]): Promise<boolean> {
  if (args.includes('--generate-secrets')) return true
  if (!process.stdin.isTTY) return false
  const terminal = createInterface({ input: process.stdin, output: process.stdout })
  const answer = await terminal.question(`The gateway has no ${names.join(' and ')}. Generate now? [Y/n] `)
  terminal.close()
  return !/^n/i.test(answer.trim())
}

/** Sets what is missing on the gateway; the secrets that were made, by name. */
async function setSecrets(args: readonly string[]): Promise<Readonly<Record<string, string>>> {
  const missing = await missingSecrets('')
  if (missing.length === 0) return {}
  if (!(await mayGenerate(missing, args))) {
    const puts = missing.map((name) => `\`npx wrangler secret put ${name} --env=""\``).join(' and ')
    const form = missing.includes('CREDENTIAL_KEY') ? ' (CREDENTIAL_KEY: what `openssl rand -base64 32` prints)' : ''
    throw new Problem(`Set the missing secrets with ${puts}${form}, or run this again with --generate-secrets.`)
  }
  const made = Object.fromEntries(missing.map((name) => [name, randomBytes(32).toString('base64url')]))
  await must(['secret', 'bulk', '--env', ''], { input: JSON.stringify(made) })
  return made
}

/** What was made for the gateway is set on the consumer too, where it needs the same. */
async function deployUsage(made: Readonly<Record<string, string>>): Promise<void> {
  await must(['deploy', '--env', 'usage'])
  const shared = Object.fromEntries(
    Object.entries(made).filter(([name]) => NEEDED_SECRETS['usage']?.includes(name) === true),
  )
  const missing = (await missingSecrets('usage')).filter((name) => shared[name] === undefined)
  if (Object.keys(shared).length > 0) {
    await must(['secret', 'bulk', '--env', 'usage'], { input: JSON.stringify(shared) })
  }
  for (const name of missing) {
    console.log(`The usage consumer lacks the gateway's ${name}: \`npx wrangler secret put ${name} --env usage\`.`)
  }
}

async function deploy(args: readonly string[]): Promise<void> {
  await requireLogin()
  await provisionDatabase()
  await provisionQueues()
  const gateway = await must(['deploy', '--env', ''])
  const made = await setSecrets(args)
  await deployUsage(made)
  const url = /https:\/\/\S+\.workers\.dev/.exec(gateway.stdout)?.[0] ?? 'https://<your gateway>'
  console.log(nextSteps(url, made['ADMIN_TOKEN']))
}

function nextSteps(url: string, adminToken: string | undefined): string {
  const token = adminToken ?? '$ADMIN_TOKEN'
  const call = (path: string, body: string): string =>
    `  curl ${url}${path} -H 'authorization: Bearer ${token}' -H 'content-type: application/json' -d '${body}'`
  return [
    '',
    `Deployed: ${url}/v1 (dashboard: ${url}/dashboard)`,
    ...(adminToken === undefined ? [] : [`Admin token, shown only now: ${adminToken}`]),
    'Mint the first virtual key:',
    call('/admin/tenants', '{"name":"acme"}'),
    call('/admin/keys', '{"tenant":"acme","name":"first"}'),
    'Add a model, with a credential that is stored encrypted under CREDENTIAL_KEY:',
    call('/admin/credentials', '{"name":"openai","provider":"openai","value":"sk-…"}'),
    call('/admin/targets', '{"id":"gpt-4o","provider":"openai","model":"gpt-4o","credential":"openai"}'),
    call('/admin/routes', '{"model":"gpt-4o","targets":["gpt-4o"]}'),
  ].join('\n')
}

async function showPlan(): Promise<boolean> {
  const commands = [
    ['d1', 'list', '--json'],
    CREATE_DATABASE,
    MIGRATE,
    ...QUEUES.flatMap((queue) => [
      ['queues', 'info', queue],
      ['queues', 'create', queue],
    ]),
    ['deploy', '--env', ''],
    ['secret', 'list', '--env', ''],
    ['secret', 'bulk', '--env', ''],
    ['deploy', '--env', 'usage'],
    ['secret', 'bulk', '--env', 'usage'],
  ]
  console.log('Would run (each `create` and `secret bulk` only for what is missing):')
  for (const command of commands) console.log(`$ ${typed(command)}`)
  console.log(`Bundling ${DEPLOYED.map(({ label }) => label).join(' and ')}:`)
  return dryRunAll(console.log)
}

try {
  const args = process.argv.slice(2)
  if (args.includes('--dry-run')) process.exitCode = (await showPlan()) ? 0 : 1
  else await deploy(args)
} catch (error) {
  console.error(error instanceof Problem ? `tidegate: ${error.message}` : error)
  process.exitCode = 1
}
