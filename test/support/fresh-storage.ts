// Files of the `workers` project run one after another in one isolate, which has loaded the sources once. Each finds the
// database, KV and the objects empty.
import { reset } from 'cloudflare:test'
import { beforeAll } from 'vitest'

beforeAll(reset)
