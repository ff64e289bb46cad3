// `npm start` as whoever types it sees it: what it prints works, a restart after SIGKILL has lost nothing, and what
// stands in its way is one line.
import { spawn, type ChildProcess, type ChildProcessByStdio } from 'node:child_process'
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import net from 'node:net'
import { tmpdir } from 'node:os'
import path from 'node:path'
import type { Readable } from 'node:stream'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'

const START = path.resolve(import.meta.dirname, '../../src/local/start.mjs')
const READY = /Ctrl-C stops it/
const WAIT_MS_MAX = 60_000

interface Started {
  readonly child: ChildProcess
  output: string
  /** Resolves with the exit code. */
  readonly ended: Promise<number | null>
}

const running = new Set<ChildProcess>()
let folder: string
let port: number

function start(...args: readonly string[]): Started {
  // No file of variables: a credential of whoever runs the tests would be tried out over the network.
  const defaults = ['--port', String(port), '--vars', path.join(folder, 'absent.vars')]
  return watched(spawn(process.execPath, [START, ...defaults, ...args], { stdio: ['ignore', 'pipe', 'pipe'] }))
}

/** As npm does it, which puts a shell in between. That has stopped once nobody holds its output any more. */
function startInShell(...args: readonly string[]): Started {
  const defaults = ['--port', String(port), '--vars', path.join(folder, 'absent.vars')]
  const env = { ...process.env, npm_lifecycle_event: 'start' }
  const command = ['-c', '"$@"; exit $?', 'sh', process.execPath, START, ...defaults, ...args]
  return watched(spawn('sh', command, { stdio: ['ignore', 'pipe', 'pipe'], env }))
}

function watched(child: ChildProcessByStdio<null, Readable, Readable>): Started {
  running.add(child)
  const ended = new Promise<number | null>((resolve) => child.once('close', resolve))
  const started: Started = { child, output: '', ended }
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (chunk: Buffer) => {
      started.output += chunk.toString()
    })
  }
  return started
}

/** Waits until it stands; throws with what it printed if it ends before. */
async function untilReady(started: Started): Promise<void> {
  const deadlineMs = Date.now() + WAIT_MS_MAX
  while (!READY.test(started.output)) {
    if (started.child.exitCode !== null || Date.now() > deadlineMs) throw new Error(`not ready:\n${started.output}`)
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
}

function printed(started: Started, label: string): string {
  const value = new RegExp(`${label} +(\\S+)`).exec(started.output)?.[1]
  if (value === undefined) throw new Error(`no ${label} in:\n${started.output}`)
  return value
}

async function freePort(): Promise<number> {
  const server = net.createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  await new Promise((resolve) => server.close(resolve))
  if (address === null || typeof address === 'string') throw new Error('no port')
  return address.port
}

async function statusOf(started: Started, pathname: string, token: string): Promise<number> {
  const headers = { authorization: `Bearer ${token}` }
  const response = await fetch(new URL(pathname, printed(started, 'Base URL')), { headers })
  await response.body?.cancel()
  return response.status
}

beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'tidegate-start-'))
  port = await freePort()
})
afterEach(async () => {
  for (const child of running) child.kill('SIGKILL')
  running.clear()
})
afterAll(() => rm(folder, { recursive: true, force: true }))

describe('npm start', () => {
  it('prints a key, an admin token and a dashboard that work, and the same again after SIGKILL; ends with npm', async () => {
    const state = path.join(folder, 'state')
    const first = start('--state', state)
    await untilReady(first)
    const key = printed(first, 'Virtual key')
    const adminToken = printed(first, 'Admin token')
    expect(await statusOf(first, '/v1/models', key)).toBe(200)
    expect(await statusOf(first, '/v1/models', `${key}x`)).toBe(401)
    expect(await statusOf(first, '/admin/targets', adminToken)).toBe(200)
    expect(await statusOf(first, '/dashboard/', '')).toBe(200)
    first.child.kill('SIGKILL')
    await first.ended

    const second = startInShell('--state', state)
    await untilReady(second)
    expect(printed(second, 'Virtual key')).toBe(key)
    expect(printed(second, 'Admin token')).toBe(adminToken)
    expect(await statusOf(second, '/v1/models', key)).toBe(200)

    const third = start('--state', state)
    expect(await third.ended).toBe(1)
    expect(third.output).toMatch(/^tidegate: Another Tidegate is running on .*--state\.\n$/)
    second.child.kill('SIGTERM')
    await second.ended
    await expect(fetch(printed(second, 'Base URL'))).rejects.toThrow()

    const full = start('--state', state, '--demo')
    expect(await full.ended).toBe(1)
    expect(full.output).toMatch(
      /\ntidegate: --demo fills an empty state, and .* has data\. .*--state, .*without --demo\.\n$/,
    )
  })

  it('says in one line that the port is in use', async () => {
    const server = net.createServer()
    await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve))
    const started = start('--state', path.join(folder, 'other'))
    const code = await started.ended
    await new Promise((resolve) => server.close(resolve))
    expect(code).toBe(1)
    expect(started.output).toBe(
      `tidegate: Port ${port} is in use. Stop what uses it, or choose another: npm start -- --port ${port + 1}\n`,
    )
  })

  it('says in one line that the secrets are unreadable', async () => {
    const state = path.join(folder, 'unreadable')
    await mkdir(state)
    await writeFile(path.join(state, 'secrets.json'), '{')
    const started = start('--state', state)
    expect(await started.ended).toBe(1)
    expect(started.output).toMatch(
      /^tidegate: .*secrets\.json can't be read as JSON\. Move it away and start again.*\n$/,
    )
  })

  it('says in one line that the state is unreadable', async () => {
    const databases = path.join(folder, 'corrupt/state/d1/miniflare-D1DatabaseObject')
    await mkdir(databases, { recursive: true })
    const intact = path.join(folder, 'state/state/d1/miniflare-D1DatabaseObject')
    const names = (await readdir(intact)).filter((name) => name.endsWith('.sqlite'))
    for (const name of names) await writeFile(path.join(databases, name), 'not a database '.repeat(1000))
    const started = start('--state', path.join(folder, 'corrupt'))
    expect(await started.ended).toBe(1)
    expect(started.output).toMatch(/\ntidegate: The state in .* can't be read\. Move it away and start again.*\n$/)
  })

  it('says in one line which line of the variables is malformed', async () => {
    const vars = path.join(folder, 'malformed.vars')
    await writeFile(vars, 'A=1\nsk-123\n')
    const started = start('--vars', vars)
    expect(await started.ended).toBe(1)
    expect(started.output).toMatch(/^tidegate: .*malformed\.vars, line 2: expected KEY=VALUE.*\n$/)
  })

  it('says in one line what is wrong with a flag', async () => {
    const started = start('--port', 'abc')
    expect(await started.ended).toBe(1)
    expect(started.output).toBe('tidegate: --port abc is not a port. Give a whole number from 1 to 65535.\n')
  })
})
