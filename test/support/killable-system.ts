// A system in a process of its own, to be killed: nothing of it gets a chance to put anything in order. This file is both
// sides: what a test calls, and what runs in the process.
import { fork } from 'node:child_process'
import * as z from 'zod/mini'
import { isRunning, workerdPids } from './memory.ts'
import { type TestSystem, adminAt, startTestSystem } from './system.ts'

const START_MS_MAX = 60_000
const END_MS_MAX = 10_000

export interface KillableSystem extends Pick<TestSystem, 'url' | 'simulatedUrl' | 'admin'> {
  /** SIGKILL for the process and its workerd at the same moment; resolves when both are gone. */
  kill(): Promise<void>
}

const READY = z.object({ url: z.string(), simulatedUrl: z.string() })
const SETTINGS = z.object({
  stateDir: z.string(),
  vars: z.record(z.string(), z.string()),
  queueBatchSeconds: z.optional(z.number()),
})

/** Starts a system on `stateDir` in a process of its own. */
export async function startKillableSystem(settings: z.infer<typeof SETTINGS>): Promise<KillableSystem> {
  const child = fork(import.meta.filename, [JSON.stringify(settings)], { stdio: ['ignore', 'ignore', 2, 'ipc'] })
  const { promise, resolve, reject } = Promise.withResolvers<unknown>()
  child.once('message', resolve)
  child.once('exit', (code) => reject(new Error(`the system ended with code ${code ?? 'none'}`)))
  const timer = setTimeout(() => reject(new Error('the system did not start in time')), START_MS_MAX)
  const { url, simulatedUrl } = READY.parse(await promise.finally(() => clearTimeout(timer)))
  const { pid } = z.object({ pid: z.number() }).parse(child)
  return {
    url,
    simulatedUrl,
    admin: adminAt(url),
    async kill() {
      const pids = [pid, ...workerdPids(pid)]
      for (const one of pids) process.kill(one, 'SIGKILL')
      const deadlineMs = Date.now() + END_MS_MAX
      while (pids.some(isRunning)) {
        if (Date.now() > deadlineMs) throw new Error('the system survived SIGKILL')
        await new Promise((resolve) => setTimeout(resolve, 20))
      }
    },
  }
}

if (process.send !== undefined && process.argv[1] === import.meta.filename) {
  const { queueBatchSeconds = 0.05, ...settings } = SETTINGS.parse(JSON.parse(process.argv[2] ?? ''))
  const { url, simulatedUrl } = await startTestSystem({ ...settings, queueBatchSeconds })
  process.send({ url, simulatedUrl })
}
