// Which tests run where: `node` (pure code and the request path, plain Node), `workers` (inside workerd with the real
// Durable Objects, KV, D1 and queue of wrangler.toml) and `e2e` (Node driving whole running systems and a browser).
import { existsSync, mkdirSync } from 'node:fs'
import path from 'node:path'
import { pathToFileURL } from 'node:url'
import { cloudflareTest, readD1Migrations } from '@cloudflare/vitest-plugin'
import { defineConfig } from 'vitest/config'
import './support/no-network.ts'
import { FILES_AT_ONCE, LongestFirst } from './support/longest-first.ts'
import { TEST_MS, WAIT_MS } from './support/patience.ts'
import { PlainLine } from './support/plain-line.ts'
import { SlowFiles } from './support/slow-files.ts'

const root = path.resolve(import.meta.dirname, '..')
const migrationsDir = path.join(root, 'src/ledger/migrations')
const noNetwork = path.join(root, 'test/support/no-network.ts')
const freshStorage = path.join(root, 'test/support/fresh-storage.ts')
const propertySeed = path.join(root, 'test/support/property-seed.ts')

// Silence, and no look-up of any host. Inherited by every process that a test starts.
Object.assign(process.env, {
  WRANGLER_SEND_METRICS: 'false',
  WRANGLER_SEND_ERROR_REPORTS: 'false',
  CLOUDFLARE_CF_FETCH_ENABLED: 'false',
  WRANGLER_HIDE_BANNER: 'true',
  DO_NOT_TRACK: '1',
  // Most files load the same large packages, each in a process of its own: Node compiles them once for all.
  NODE_COMPILE_CACHE: path.join(root, 'node_modules/.cache/compiled'),
  NODE_OPTIONS: [process.env['NODE_OPTIONS'], `--import ${pathToFileURL(noNetwork).href}`].join(' ').trim(),
})

// Node reads TypeScript by itself, and a call from one module to another is a plain call: a fifth less to compute.
const NATIVE = { experimental: { viteModuleRunner: false, nodeLoader: false } }

const PATIENT = { testTimeout: TEST_MS, hookTimeout: TEST_MS, expect: { poll: { timeout: WAIT_MS } } }

// The gateway's configuration names this folder; tests need no dashboard in it.
mkdirSync(path.join(root, 'dist/assets'), { recursive: true })

async function workersOptions() {
  return {
    // The sources, in place of the modules that wrangler.toml deploys.
    main: path.join(root, 'src/gateway.ts'),
    wrangler: { configPath: path.join(root, 'wrangler.toml') },
    miniflare: {
      bindings: {
        ENVIRONMENT: 'local',
        ALLOW_PRIVATE_ENDPOINTS: 'true',
        ADMIN_TOKEN: 'admin-token-of-the-tests',
        KEY_PEPPER: 'pepper-of-the-tests',
        // What providers' credentials are encrypted under: 32 bytes.
        CREDENTIAL_KEY: Buffer.alloc(32, 'k').toString('base64'),
        // For `applyD1Migrations(env.DB, env.TEST_MIGRATIONS)`.
        TEST_MIGRATIONS: existsSync(migrationsDir) ? await readD1Migrations(migrationsDir) : [],
      },
      // A test that calls a provider replaces `fetch`, or starts a stand-in; nothing leaves the machine.
      outboundService: (request: { readonly url: string }) => {
        throw new Error(`Tests run offline, but one tried to reach ${new URL(request.url).host}`)
      },
    },
  }
}

export default defineConfig({
  root,
  test: {
    reporters: ['default', new SlowFiles(), new PlainLine()],
    passWithNoTests: true,
    maxWorkers: FILES_AT_ONCE,
    sequence: { sequencer: LongestFirst },
    projects: [
      {
        extends: true,
        test: {
          name: 'node',
          include: ['test/{core,contracts,golden,path,corpus,local}/**/*.test.ts', 'test/boundaries.test.ts'],
          environment: 'node',
          setupFiles: [propertySeed],
          // Files share a process, which halves the run: leave no global changed.
          isolate: false,
          ...NATIVE,
          // A law takes as long as the machine needs.
          testTimeout: 60_000,
        },
      },
      {
        extends: true,
        plugins: [cloudflareTest(workersOptions)],
        test: {
          name: 'workers',
          include: ['test/workers/**/*.test.ts'],
          setupFiles: [freshStorage, propertySeed],
          // The sources are loaded once for all files, which takes longer than most of them.
          isolate: false,
          ...PATIENT,
        },
      },
      {
        extends: true,
        test: {
          name: 'e2e',
          include: ['test/e2e/**/*.test.ts'],
          environment: 'node',
          globalSetup: path.join(root, 'test/support/prepared-system.ts'),
          setupFiles: [propertySeed],
          // Files share processes, which load the SDKs once: leave no global changed.
          isolate: false,
          ...NATIVE,
          ...PATIENT,
        },
      },
    ],
  },
})
