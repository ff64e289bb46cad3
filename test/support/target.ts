// A target for tests of codecs, which look at little more of it than its model.
import type { Target } from '../../src/core/directory.ts'

export const TARGET: Target = {
  id: 'target',
  provider: 'provider',
  dialect: 'openai-chat',
  baseUrl: 'https://provider.test/v1',
  model: 'model-of-target',
  credential: null,
  maxRetries: 0,
  timeouts: { firstContentMs: 1000, idleMs: 1000, totalMs: 1000 },
  maxOutputTokens: 4096,
  price: null,
  priceVersion: null,
  costCenter: null,
}
