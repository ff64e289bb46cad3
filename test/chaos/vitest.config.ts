// `npm run test:chaos`: whole systems in real processes, killed in real time. It takes its minutes, so it is no part of `npm test`,
// where each of these points has a small test of its own (README.md beside this file).
import path from 'node:path'
import { defineConfig } from 'vitest/config'
import { PlainLine } from '../support/plain-line.ts'

const root = path.resolve(import.meta.dirname, '../..')

Object.assign(process.env, { CLOUDFLARE_CF_FETCH_ENABLED: 'false', WRANGLER_SEND_METRICS: 'false', DO_NOT_TRACK: '1' })

export default defineConfig({
  root,
  test: {
    name: 'chaos',
    reporters: ['default', new PlainLine()],
    environment: 'node',
    include: ['test/chaos/**/*.test.ts'],
    setupFiles: [path.join(root, 'test/support/no-network.ts')],
    fileParallelism: false,
  },
})
