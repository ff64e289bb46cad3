// What a local system remembers beside its Workers' own storage: its secrets, and the virtual key that it printed. Also
// the lock that keeps two systems off the same state, which would corrupt it.
import { randomBytes } from 'node:crypto'
import { mkdir, readFile, rename, unlink, writeFile } from 'node:fs/promises'
import net from 'node:net'
import path from 'node:path'
import { errorCode, Problem } from './problem.ts'

/** Longest path that a socket may have everywhere. */
const SOCKET_PATH_MAX = 100

/** The secrets of a local system, made once. */
export interface LocalSecrets {
  readonly ADMIN_TOKEN: string
  readonly KEY_PEPPER: string
  readonly ALERT_KEY: string
  readonly CREDENTIAL_KEY: string
}

async function readJson(file: string): Promise<unknown> {
  try {
    return JSON.parse(await readFile(file, 'utf8'))
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return undefined
    throw new Problem(`${file} can't be read as JSON. Move it away and start again: a new one is made.`)
  }
}

/** Replaces a file whole or not at all; only its owner may read it. */
async function writePrivately(file: string, value: unknown): Promise<void> {
  await writeFile(`${file}.new`, `${JSON.stringify(value, null, 2)}\n`, { mode: 0o600 })
  await rename(`${file}.new`, file)
}

function stringIn(value: unknown, field: string): string | undefined {
  if (typeof value !== 'object' || value === null) return undefined
  const found: unknown = Reflect.get(value, field)
  return typeof found === 'string' && found !== '' ? found : undefined
}

/** Makes the folder of the state, or throws a Problem if that can't be. */
export async function makeStateFolder(folder: string): Promise<void> {
  await mkdir(folder, { recursive: true, mode: 0o700 }).catch((error: unknown) => {
    throw new Problem(
      `${folder} can't be used for the state (${errorCode(error) ?? 'unknown reason'}). Choose another with --state.`,
    )
  })
}

/** The secrets of this state: what `secrets.json` says, and what it doesn't is made now and kept there. */
export async function loadSecrets(folder: string): Promise<LocalSecrets> {
  const file = path.join(folder, 'secrets.json')
  const kept = await readJson(file)
  const adminToken = stringIn(kept, 'ADMIN_TOKEN')
  const pepper = stringIn(kept, 'KEY_PEPPER')
  const alertKey = stringIn(kept, 'ALERT_KEY')
  const credentialKey = stringIn(kept, 'CREDENTIAL_KEY')
  const secrets = {
    ADMIN_TOKEN: adminToken ?? `tga_${randomBytes(24).toString('base64url')}`,
    KEY_PEPPER: pepper ?? randomBytes(32).toString('hex'),
    ALERT_KEY: alertKey ?? randomBytes(32).toString('hex'),
    CREDENTIAL_KEY: credentialKey ?? randomBytes(32).toString('base64'),
  }
  if ([adminToken, pepper, alertKey, credentialKey].includes(undefined)) await writePrivately(file, secrets)
  return secrets
}

/** The virtual key that was printed last time; nothing the first time. */
export async function loadDemoKey(folder: string): Promise<string | undefined> {
  return stringIn(await readJson(path.join(folder, 'demo-key.json')), 'key')
}

/** Remembers the virtual key for the next start. */
export async function saveDemoKey(folder: string, key: string): Promise<void> {
  await writePrivately(path.join(folder, 'demo-key.json'), { key })
}

async function isAnswered(socketPath: string): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>()
  const socket = net.connect(socketPath)
  socket.once('connect', () => resolve(true))
  socket.once('error', () => resolve(false))
  return promise.finally(() => socket.destroy())
}

/**
 * Takes the state for this process until it ends, however it ends: the lock is a socket that only a living process
 * answers. Throws a Problem if another process has it. No lock where a socket can't have so long a path.
 */
export async function lockState(folder: string): Promise<void> {
  const socketPath = path.resolve(folder, 'running.sock')
  if (process.platform === 'win32' || socketPath.length > SOCKET_PATH_MAX) return
  if (await isAnswered(socketPath)) {
    throw new Problem(`Another Tidegate is running on ${folder}. Stop it, or choose another folder with --state.`)
  }
  await unlink(socketPath).catch(() => undefined)
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  const server = net.createServer((socket) => socket.destroy())
  server.once('error', reject)
  server.listen(socketPath, resolve)
  server.unref()
  await promise
}
