// Files of the `workers` project run one after another in one isolate, which has loaded the sources once. Each finds the
// database, KV and the objects empty, and leaves nothing that is still being loaded.
import { reset } from 'cloudflare:test'
import { afterAll, beforeAll, vi } from 'vitest'

beforeAll(reset)
afterAll(() => vi.dynamicImportSettled())
