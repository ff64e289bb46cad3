// `npm run test:kill`: providers that die after every byte. Minutes of one core for each client, so it is no part of `npm test`,
// which kills them in a few places.
import path from 'node:path'
import { defineConfig } from 'vitest/config'
import { PlainLine } from '../support/plain-line.ts'

const root = path.resolve(import.meta.dirname, '../..')

export default defineConfig({
  root,
  test: {
    name: 'kill',
    reporters: ['default', new PlainLine()],
    environment: 'node',
    include: ['test/kill/**/*.test.ts'],
    setupFiles: [path.join(root, 'test/support/no-network.ts')],
    maxWorkers: '100%',
    testTimeout: 14_400_000,
  },
})
