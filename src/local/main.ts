// `npm start`: the whole system on this machine, filled with demo data, and what to type next. Ends with one line and
// exit code 1 when something stands in the way that whoever started it can remove.
import net from 'node:net'
import path from 'node:path'
import { parseArgs } from 'node:util'
import { ROOT } from './bundle.ts'
import { readDevVars } from './dev-vars.ts'
import { errorCode, firstLine, Problem } from './problem.ts'
import { seed } from './seed.ts'
import { loadDemoKey, loadSecrets, lockState, makeStateFolder, saveDemoKey } from './state.ts'
import { startSystem, type LogLine, type RunningSystem, type SystemOptions } from './system.ts'
import { welcome } from './welcome.ts'

const PORT = 8787
/** Leases are short here, so that what a killed process had in flight is booked soon after the next start. */
const LOCAL_VARS = { LEASE_TTL_MS: '10000' }
const ORPHAN_CHECK_MS = 500
const SCHEDULE_MS = 60 * 60 * 1000
const HELP = `npm start [-- --port ${PORT}] [--state .tidegate] [--vars .dev.vars] [--demo]`

interface Flags {
  readonly port: number
  readonly state: string
  readonly vars: string
  /** Whether an empty state is filled with demo data. */
  readonly isDemo: boolean
}

function readFlags(args: readonly string[]): Flags {
  const options = {
    port: { type: 'string' },
    state: { type: 'string' },
    vars: { type: 'string' },
    demo: { type: 'boolean' },
  } as const
  const { values } = ((): { values: { port?: string; state?: string; vars?: string; demo?: boolean } } => {
    try {
      return parseArgs({ args: [...args], options })
    } catch (error) {
      throw new Problem(`${firstLine(error)} Use: ${HELP}`)
    }
  })()
  const port = Number(values.port ?? PORT)
  if (!Number.isInteger(port) || port < 1 || port > 65_535) {
    throw new Problem(`--port ${values.port ?? ''} is not a port. Give a whole number from 1 to 65535.`)
  }
  return {
    port,
    state: path.resolve(values.state ?? path.join(ROOT, '.tidegate')),
    vars: path.resolve(values.vars ?? path.join(ROOT, '.dev.vars')),
    isDemo: values.demo === true,
  }
}

async function requireFreePort(port: number): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  const server = net.createServer()
  server.once('error', reject)
  server.listen(port, '127.0.0.1', resolve)
  await promise.catch((error: unknown) => {
    const reason =
      errorCode(error) === 'EADDRINUSE' ? 'is in use' : `can't be opened (${errorCode(error) ?? 'unknown reason'})`
    throw new Problem(`Port ${port} ${reason}. Stop what uses it, or choose another: npm start -- --port ${port + 1}`)
  })
  await new Promise((closed) => server.close(closed))
}

const UNREADABLE = /malformed|not a database|SQLITE_|corrupt/i

/** Starts the system; what its Workers log is printed once it stands, or when it doesn't stand for no known reason. */
async function startPrinting(options: SystemOptions, state: string): Promise<RunningSystem> {
  const early: LogLine[] = []
  let print = (line: LogLine): unknown => early.push(line)
  const release = (): void => {
    print = (line) => console.log(line.message)
    early.forEach(print)
  }
  try {
    const system = await startSystem({ ...options, onLog: (line) => print(line) })
    release()
    return system
  } catch (error) {
    const told = [String(error), ...early.map((line) => line.message)].find((text) => UNREADABLE.test(text))
    if (told !== undefined) {
      throw new Problem(
        `The state in ${state} can't be read. Move it away and start again, or choose another with --state.`,
      )
    }
    release()
    throw error
  }
}

function stopOnSignal(system: RunningSystem): void {
  let isStopping = false
  const stop = (): void => {
    if (isStopping) return
    isStopping = true
    void system.dispose().finally(() => process.exit(0))
  }
  for (const signal of ['SIGINT', 'SIGTERM']) {
    // Miniflare's own handler would end the process at once, with workerd in the middle of its requests.
    process.removeAllListeners(signal)
    process.on(signal, stop)
  }
  // npm hands a SIGTERM to its shell, which dies of it without a word to us.
  if (process.env.npm_lifecycle_event !== undefined) whenOrphaned(stop)
}

function whenOrphaned(stop: () => void): void {
  const parent = process.ppid
  setInterval(() => {
    if (process.ppid !== parent) stop()
  }, ORPHAN_CHECK_MS).unref()
}

/** As the platform does by the schedules in wrangler.toml. */
function runSchedules(system: RunningSystem): void {
  const every = (ms: number, cron?: string): void => {
    const run = (): void => {
      system
        .runSchedule(cron)
        .catch((error: unknown) => console.error(`tidegate: a schedule failed: ${firstLine(error)}`))
    }
    setInterval(run, ms).unref()
  }
  every(SCHEDULE_MS)
  every(60_000, '* * * * *')
}

/** Has every tenant's limiter look after what an earlier run left behind: what the queue forgot is sent again now rather
 *  than with the tenant's next request. A limiter that can't be reached does so by itself, a minute later. */
async function wakeLimiters(access: { readonly url: string; readonly adminToken: string }): Promise<void> {
  const headers = { authorization: `Bearer ${access.adminToken}` }
  await fetch(`${access.url}/admin/overview`, { headers }).catch(() => undefined)
}

async function run(args: readonly string[]): Promise<void> {
  const flags = readFlags(args)
  const variables = await readDevVars(flags.vars)
  await makeStateFolder(flags.state)
  await lockState(flags.state)
  await requireFreePort(flags.port)
  const secrets = { ...(await loadSecrets(flags.state)), ...variables }
  console.log('tidegate: starting …')
  const options = { port: flags.port, stateDir: path.join(flags.state, 'state'), secrets, vars: LOCAL_VARS }
  const system = await startPrinting(options, flags.state)
  stopOnSignal(system)
  const access = { url: system.url, adminToken: secrets.ADMIN_TOKEN }
  if (flags.isDemo) await (await import('./demo/fill.ts')).requireEmpty(system, flags.state)
  const outcome = await seed(access, variables, await loadDemoKey(flags.state))
  await saveDemoKey(flags.state, outcome.key)
  if (flags.isDemo) {
    console.log('tidegate: thirty days of demo data …')
    const { fillDemo } = await import('./demo/fill.ts')
    await fillDemo(system, access, Date.now())
  }
  await wakeLimiters(access)
  runSchedules(system)
  console.log(welcome(system.url, secrets.ADMIN_TOKEN, outcome, system.usageUrl))
}

/** Starts everything, or prints one line and ends the process with exit code 1. */
export async function main(args: readonly string[]): Promise<void> {
  try {
    await run(args)
  } catch (error) {
    console.error(error instanceof Problem ? `tidegate: ${error.message}` : error)
    process.exit(1)
  }
}
