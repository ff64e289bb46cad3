// Which files of a run start first: those that take long for their size, because they wait or repeat. Without an earlier run
// vitest goes by size alone, and they would keep one core busy at the end, or none.
import { BaseSequencer, type TestSpecification } from 'vitest/node'

const LONG =
  /\/(leases\.property|mutants|dashboard|dashboard-keys|dashboard-live|late-first-content|budget-streams|crash|alerts)\.test\.ts$/

/** For `sequence.sequencer`. */
export class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const sorted = await super.sort(files)
    return sorted.toSorted((a, b) => Number(LONG.test(b.moduleId)) - Number(LONG.test(a.moduleId)))
  }
}
