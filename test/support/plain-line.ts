// The last line of a test run, for machines and hurried readers: `N passed, N failed, N skipped`.
// Separate from vitest's own reporters because theirs is coloured, folded and changes between versions.
import type { Reporter, TestModule } from 'vitest/node'

/** How many tests ended in each way. A file that did not load counts as one failure. */
export interface Tally {
  passed: number
  failed: number
  skipped: number
}

function addModule(tally: Tally, testModule: TestModule): void {
  if (testModule.errors().length > 0) tally.failed += 1
  for (const test of testModule.children.allTests()) {
    const state = test.result().state
    if (state === 'passed') tally.passed += 1
    else if (state === 'failed') tally.failed += 1
    else tally.skipped += 1
  }
}

/** Prints the tally when the process ends, after every other reporter. Unhandled errors count as failures. */
export class PlainLine implements Reporter {
  onTestRunEnd(testModules: readonly TestModule[], unhandledErrors: readonly unknown[]): void {
    const tally: Tally = { passed: 0, failed: unhandledErrors.length, skipped: 0 }
    for (const testModule of testModules) addModule(tally, testModule)
    process.once('exit', () => {
      process.stdout.write(`${tally.passed} passed, ${tally.failed} failed, ${tally.skipped} skipped\n`)
    })
  }
}
