// How the files of this folder share the machine. Most ask as clients do, or drive a browser, and wait for answers: four of
// them run side by side. The one that measures memory has it for itself. `--project e2e` means both.
import path from 'node:path'
import { defineConfig } from 'vitest/config'

const ALONE = ['test/e2e/stream-memory.test.ts']

const root = path.resolve(import.meta.dirname, '../..')

export default defineConfig({
  root,
  test: {
    name: 'e2e',
    environment: 'node',
    globalSetup: path.join(root, 'test/support/prepared-system.ts'),
    setupFiles: ['no-network.ts', 'property-seed.ts'].map((file) => path.join(root, 'test/support', file)),
    testTimeout: 60_000,
    hookTimeout: 90_000,
    projects: [
      {
        extends: true,
        test: {
          name: 'together',
          include: ['test/e2e/**/*.test.ts'],
          exclude: ALONE,
          // Files share processes, which load the SDKs once: leave no global changed.
          isolate: false,
          maxWorkers: 4,
          sequence: { groupOrder: 1 },
        },
      },
      {
        extends: true,
        test: { name: 'alone', include: ALONE, fileParallelism: false, sequence: { groupOrder: 2 } },
      },
    ],
  },
})
