// `npm run test:load`: what holds under load, of whole systems in real time. It needs the machine for itself and takes what it
// takes, so it is no part of `npm test`, in which nothing depends on how fast a machine is.
import path from 'node:path'
import { defineConfig } from 'vitest/config'
import { PlainLine } from '../support/plain-line.ts'

const root = path.resolve(import.meta.dirname, '../..')

Object.assign(process.env, { CLOUDFLARE_CF_FETCH_ENABLED: 'false', WRANGLER_SEND_METRICS: 'false', DO_NOT_TRACK: '1' })

export default defineConfig({
  root,
  test: {
    name: 'load',
    reporters: ['default', new PlainLine()],
    environment: 'node',
    include: ['test/load/**/*.test.ts'],
    setupFiles: [path.join(root, 'test/support/no-network.ts')],
    fileParallelism: false,
    testTimeout: 120_000,
    hookTimeout: 90_000,
  },
})
