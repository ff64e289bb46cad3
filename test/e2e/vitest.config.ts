// How the files of this folder share the machine. Most ask as clients do, or drive a browser, and wait for answers: three of
// them run side by side. Those that measure memory, or count what happens in a while, have it for themselves, one after
// another. `--project e2e` means both.
import path from 'node:path'
import { defineConfig } from 'vitest/config'

const ALONE = ['dead-target', 'stream-behaviour', 'stream-memory'].map((name) => `test/e2e/${name}.test.ts`)

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
          maxWorkers: 3,
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
