// The processes of this run: started, killed and started again on what they left behind.
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import type { Miniflare } from 'miniflare'
import { migrate } from '../../src/local/migrate.ts'
import { endWorkerdWithThisProcess } from '../../src/local/reaper.ts'
import { isRunning, workerdPids } from '../support/memory.ts'
import { adminAt, type TestSystem } from '../support/system.ts'
import { type Addresses, type Built, centreWorkers, gatewayWorkers, providersWorker, start } from './workers.ts'

/** A workerd that can be killed. */
interface Running {
  readonly mf: Miniflare
  readonly pids: readonly number[]
}

let starting: Promise<unknown> = Promise.resolve()

/** One at a time: whose the new workerd is has to be seen. */
function run(launch: () => Miniflare): Promise<Running> {
  const launched = starting.then(async () => {
    const before = new Set(workerdPids())
    const mf = launch()
    await mf.ready
    await endWorkerdWithThisProcess()
    return { mf, pids: workerdPids().filter((pid) => !before.has(pid)) }
  })
  starting = launched.catch(() => undefined)
  return launched
}

function strike({ pids }: Running): void {
  for (const pid of pids) {
    try {
      process.kill(pid, 'SIGKILL')
    } catch {
      // It has ended already.
    }
  }
}

async function gone({ pids, mf }: Running): Promise<void> {
  while (pids.some(isRunning)) await new Promise((resolve) => setTimeout(resolve, 10))
  void mf.dispose().catch(() => undefined)
}

const folders: string[] = []

async function newFolder(name: string): Promise<string> {
  const folder = await mkdtemp(path.join(tmpdir(), `tidegate-${name}-`))
  folders.push(folder)
  return folder
}

export async function removeFolders(): Promise<void> {
  for (const folder of folders) await rm(folder, { recursive: true, force: true })
}

export interface Providers {
  readonly url: string
  stop(): Promise<void>
}

export async function startProviders(built: Built): Promise<Providers> {
  const folder = await newFolder('providers')
  const { mf } = await run(() => start(folder, [providersWorker(built)]))
  return { url: await urlOf(mf, 'providers'), stop: () => mf.dispose() }
}

async function urlOf(mf: Miniflare, worker: string): Promise<string> {
  return (await mf.unsafeGetDirectURL(worker)).origin
}

/** The limiter objects, the queue, the consumer, D1 and the admin API: in one process, on one folder, over several lives. */
export class Centre {
  lives = 0
  /** How long it was dead. */
  deadMs = 0
  readonly #built: Built
  readonly #addresses: Addresses
  readonly #folder: string
  #running: Running | null = null
  #urls = { gateway: '', door: '' }

  private constructor(built: Built, addresses: Addresses, folder: string) {
    this.#built = built
    this.#addresses = addresses
    this.#folder = folder
  }

  static async start(built: Built, addresses: Addresses): Promise<Centre> {
    const centre = new Centre(built, addresses, await newFolder('centre'))
    const mf = await centre.#start()
    await migrate(await mf.getD1Database('DB', 'tidegate'))
    return centre
  }

  /** Where limiter objects are called; null while the process is dead. */
  get doorUrl(): string | null {
    return this.#running === null ? null : this.#urls.door
  }

  get gateway(): Pick<TestSystem, 'url' | 'admin'> {
    return { url: this.#urls.gateway, admin: adminAt(this.#urls.gateway) }
  }

  get mf(): Miniflare {
    if (this.#running === null) throw new Error('the limiter is dead')
    return this.#running.mf
  }

  /** SIGKILL, at this very moment. It starts again on what it left. False where it is dead already. */
  kill(): boolean {
    const running = this.#running
    if (running === null) return false
    this.#running = null
    strike(running)
    void this.#revive(running, Date.now())
    return true
  }

  async stop(): Promise<void> {
    await this.#running?.mf.dispose()
  }

  async #revive(dead: Running, sinceMs: number): Promise<void> {
    await gone(dead)
    // On a busy machine one may come to nothing.
    await this.#start().catch(() => this.#start())
    this.deadMs += Date.now() - sinceMs
  }

  async #start(): Promise<Miniflare> {
    const running = await run(() => start(this.#folder, centreWorkers(this.#built, this.#addresses)))
    this.#urls = { gateway: await urlOf(running.mf, 'tidegate'), door: await urlOf(running.mf, 'objects') }
    this.#running = running
    this.lives += 1
    return running.mf
  }
}

/** A gateway in a process of its own. */
export interface Gateway {
  readonly serial: number
  readonly url: string
  /** Requests that run in it. */
  open: number
  /** SIGKILL, at this very moment. */
  kill(): void
  stop(): Promise<void>
}

/** Starts a gateway that knows this directory. */
export async function startGateway(
  built: Built,
  serial: number,
  { addresses, directory }: { readonly addresses: Addresses; readonly directory: ReadonlyMap<string, string> },
): Promise<Gateway> {
  const folder = await newFolder('gateway')
  const running = await run(() => start(folder, gatewayWorkers(built, serial, addresses)))
  const kv = await running.mf.getKVNamespace('DIRECTORY', 'gateway')
  for (const [name, value] of directory) await kv.put(name, value)
  return {
    serial,
    url: await urlOf(running.mf, 'gateway'),
    open: 0,
    kill() {
      strike(running)
      void gone(running)
    },
    stop: () => running.mf.dispose().catch(() => undefined),
  }
}

/** What the control plane has published. */
export async function readDirectory(mf: Miniflare): Promise<ReadonlyMap<string, string>> {
  const kv = await mf.getKVNamespace('DIRECTORY', 'tidegate')
  const { keys } = await kv.list()
  const directory = new Map<string, string>()
  for (const { name } of keys) {
    const value: string | null = await kv.get(name, 'text')
    if (value !== null) directory.set(name, value)
  }
  return directory
}
