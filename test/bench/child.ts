// Starts a part of the bench as a process of its own, so that its CPU time is its own, and talks to it.
import { fork, type ChildProcess } from 'node:child_process'
import path from 'node:path'
import * as z from 'zod/mini'

const START_MS_MAX = 60_000

export interface Child {
  readonly pid: number
  /** What the child said once it was ready. */
  readonly first: unknown
  /** Sends a message and waits for the answer; one at a time. Rejects if the child ends instead. */
  ask(message: object, withinMs: number): Promise<unknown>
  /** Ends the child and waits for that. */
  stop(): Promise<void>
}

function nextMessage(child: ChildProcess, what: string, withinMs: number): Promise<unknown> {
  const { promise, resolve, reject } = Promise.withResolvers<unknown>()
  const onExit = (code: number | null): void => reject(new Error(`${what} ended with code ${code ?? 'none'}`))
  const timer = setTimeout(() => reject(new Error(`${what} did not answer within ${withinMs / 1000} s`)), withinMs)
  child.once('message', resolve)
  child.once('exit', onExit)
  return promise.finally(() => {
    clearTimeout(timer)
    child.off('message', resolve)
    child.off('exit', onExit)
  })
}

/** Starts `file` of this folder; resolves with its first message. Its output goes to our standard error. */
export async function startChild(file: string, args: readonly string[] = []): Promise<Child> {
  const child = fork(path.join(import.meta.dirname, file), [...args], { stdio: ['ignore', 2, 2, 'ipc'] })
  const stop = async (): Promise<void> => {
    if (child.exitCode !== null || child.signalCode !== null) return
    const { promise, resolve } = Promise.withResolvers<void>()
    child.once('exit', () => resolve())
    child.kill('SIGTERM')
    const timer = setTimeout(() => child.kill('SIGKILL'), 10_000)
    await promise
    clearTimeout(timer)
  }
  try {
    const first = await nextMessage(child, file, START_MS_MAX)
    const { pid } = z.object({ pid: z.number() }).parse(child)
    return {
      pid,
      first,
      ask(message, withinMs) {
        const answer = nextMessage(child, file, withinMs)
        child.send(message)
        return answer
      },
      stop,
    }
  } catch (error) {
    await stop()
    throw error
  }
}
