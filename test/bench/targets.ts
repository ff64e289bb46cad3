// Who is measured: the provider itself, the bare pass-through, the pump that counts, and the gateway. Each is a process
// of its own, so that its CPU time is its own.
import { startChild, type Child } from './child.ts'
import { processTree } from './cpu-time.ts'
import { READY } from './job.ts'

export type TargetName = 'direct' | 'bare' | 'pump' | 'gateway'

/** Something that takes requests. */
export interface BenchTarget {
  readonly name: TargetName
  /** Origin without a trailing slash. */
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
  /** Its process and all that it has started. */
  readonly pids: readonly number[]
}

export interface Stage {
  readonly targets: readonly BenchTarget[]
  readonly load: Child
  stop(): Promise<void>
}

function targetOf(name: TargetName, child: Child): BenchTarget {
  return { name, ...READY.parse(child.first), pids: processTree(child.pid) }
}

/**
 * Starts the provider, what is measured, and the load generator. Rejects, with everything stopped again, if one of them
 * does not start. `stop` ends them all.
 */
export async function startStage(options: { readonly isAlone: boolean }): Promise<Stage> {
  const children: Child[] = []
  const stop = async (): Promise<void> => {
    await Promise.all(children.map((child) => child.stop()))
  }
  const start = async (file: string, ...args: readonly string[]): Promise<Child> => {
    const child = await startChild(file, args)
    children.push(child)
    return child
  }
  try {
    const provider = targetOf('direct', await start('mock.ts'))
    const bare = targetOf('bare', await start('bare.ts', provider.url, 'bare'))
    const pump = targetOf('pump', await start('bare.ts', provider.url, 'pump'))
    const gateway = targetOf('gateway', await start('gateway.ts', provider.url, options.isAlone ? 'alone' : 'whole'))
    return { targets: [provider, bare, pump, gateway], load: await start('load.ts'), stop }
  } catch (error) {
    await stop()
    throw error
  }
}
