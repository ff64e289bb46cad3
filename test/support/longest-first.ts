// How many files of a run are under way at once, and which start first, so that no core waits and nothing long is left at the
// end: first whole systems that take long, because they wait or repeat; beside them the files that load the Worker's sources,
// of which few processes do so; then the other whole systems; then pure code, whose files are short and never wait.
import { availableParallelism } from 'node:os'
import { BaseSequencer, type TestSpecification } from 'vitest/node'

/** More than there are cores: whole systems wait for answers now and then. */
export const FILES_AT_ONCE = availableParallelism() + 2

/** Seconds that a file takes on two cores beside three others, where that is long. Of the rest vitest goes by size. */
const SECONDS: Readonly<Record<string, number>> = {
  'e2e/dashboard-live': 79,
  'e2e/alerts': 38,
  'e2e/dashboard-keys': 38,
  'e2e/dashboard': 28,
  'e2e/budget-streams': 25,
  'e2e/start': 20,
  'e2e/crash': 15,
  'e2e/dead-target': 14,
  'e2e/stream-memory': 14,
  'e2e/deployed-modules': 12,
  'e2e/late-first-content': 10,
  'e2e/sdk-errors': 10,
  'e2e/every-wire': 10,
  'e2e/beside-limits': 10,
  'e2e/ledger': 10,
  'e2e/clients-ai-sdk': 9,
  'corpus/gateway': 10,
  'path/kill-matrix': 8,
  'core/leases.property': 7,
  'core/mutants': 5,
}
const LONG_SECONDS = 38

/** For `sequence.sequencer`. */
export class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const sorted = await super.sort(files)
    return sorted.toSorted((a, b) => turnOf(a) - turnOf(b) || secondsOf(b) - secondsOf(a))
  }
}

function secondsOf({ moduleId }: TestSpecification): number {
  return SECONDS[/\/test\/(.+)\.test\.ts$/.exec(moduleId)?.[1] ?? ''] ?? 0
}

function turnOf(file: TestSpecification): number {
  if (file.project.name === 'workers') return 1
  if (file.project.name === 'node') return 3
  return secondsOf(file) >= LONG_SECONDS ? 0 : 2
}
