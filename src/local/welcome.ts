// What a local system says once it stands: where it is, with what to call it, and two lines to try.
import type { SeedOutcome } from './seed.ts'

/** The text, ready to print. `url` is the gateway's origin, `usageUrl` the usage consumer's. */
export function welcome(url: string, adminToken: string, outcome: SeedOutcome, usageUrl?: string): string {
  const base = url.replace('127.0.0.1', 'localhost')
  return [
    '',
    `  Base URL     ${base}/v1`,
    `  Virtual key  ${outcome.key}`,
    `  Admin token  ${adminToken}`,
    `  Dashboard    ${base}/dashboard`,
    ...(usageUrl === undefined ? [] : [`  Metrics      ${usageUrl}/metrics (with the admin token)`]),
    `  Models       ${outcome.models.join('  ')}`,
    '',
    `  curl -N ${base}/v1/chat/completions -H 'authorization: Bearer ${outcome.key}' -H 'content-type: application/json' \\`,
    `    -d '{"model":"sim-gpt-4o","stream":true,"messages":[{"role":"user","content":"Hello"}]}'`,
    '',
    `  import OpenAI from 'openai'; const client = new OpenAI({ baseURL: '${base}/v1', apiKey: '${outcome.key}' })`,
    `  console.log(await client.chat.completions.create({ model: 'sim-claude', messages: [{ role: 'user', content: 'Hello' }] }))`,
    '',
    ...outcome.warnings.map((warning) => `  Warning: ${warning}`),
    '  Ctrl-C stops it; what has been written stays.',
  ].join('\n')
}
