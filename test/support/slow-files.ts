// What a run's time went into, for whoever wants it shorter: printed at its end where `SLOW_FILES` is set, as `.ci/run` does.
import type { Reporter, TestModule } from 'vitest/node'

const FILES_SHOWN = 10

interface Timed {
  readonly project: string
  readonly file: string
  readonly fromMs: number
  readonly toMs: number
}

/** Prints, for each project, from when to when its files ran and what they took together; and the files that took longest,
 *  their imports and hooks included. */
export class SlowFiles implements Reporter {
  readonly #startedAtMs = new Map<string, number>()
  readonly #timed: Timed[] = []
  #beganAtMs = 0

  onTestRunStart(): void {
    this.#beganAtMs = performance.now()
  }

  /** A process begins with it, before its imports. */
  onTestModuleQueued({ id }: TestModule): void {
    this.#startedAtMs.set(id, this.#sinceBeginMs())
  }

  onTestModuleEnd(testModule: TestModule): void {
    const toMs = this.#sinceBeginMs()
    const fromMs = this.#startedAtMs.get(testModule.id) ?? toMs
    this.#timed.push({ project: testModule.project.name, file: testModule.relativeModuleId, fromMs, toMs })
  }

  onTestRunEnd(): void {
    if (process.env['SLOW_FILES'] === undefined) return
    console.log(timesTold(this.#timed))
  }

  #sinceBeginMs(): number {
    return performance.now() - this.#beganAtMs
  }
}

/** Seconds, as a table to read. */
function timesTold(timed: readonly Timed[]): string {
  const seconds = (ms: number): string => `${(ms / 1_000).toFixed(1)} s`.padStart(8)
  const projects = [...Map.groupBy(timed, ({ project }) => project)].map(([project, files]) => {
    const fromMs = Math.min(...files.map((file) => file.fromMs))
    const toMs = Math.max(...files.map((file) => file.toMs))
    const sumMs = files.reduce((sum, file) => sum + file.toMs - file.fromMs, 0)
    return `${seconds(toMs - fromMs)}  ${project}: ${files.length} files, together ${seconds(sumMs).trim()}`
  })
  const slowest = timed.toSorted((a, b) => b.toMs - b.fromMs - (a.toMs - a.fromMs)).slice(0, FILES_SHOWN)
  const files = slowest.map(({ file, fromMs, toMs }) => `${seconds(toMs - fromMs)}  ${file}`)
  return ['', 'From first to last, by project:', ...projects, '', 'Files that took longest:', ...files, ''].join('\n')
}
