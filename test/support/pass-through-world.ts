// Requests for a provider's own API in a world of the test's making: one target, `t`, at an address as its provider has it.
import type { Caller, DialectName, Target } from '../../src/core/directory.ts'
import { passThrough } from '../../src/data-plane/pass-through/pass-through.ts'
import { type PathWorld, callerOf, ended, pathWorld } from './path-world.ts'
import { someTarget } from './targets.ts'

const ADDRESSES: Partial<Record<DialectName, string>> = {
  'openai-chat': 'https://api.test/v1',
  'anthropic-messages': 'https://api.test/v1',
  gemini: 'https://api.test/v1beta',
  'bedrock-converse': 'https://bedrock.test',
  cohere: 'https://api.test/v2',
  ollama: 'https://api.test/api',
}
const PRICE = {
  input: 1_000_000,
  cacheRead: 0,
  cacheWrite: 0,
  cacheWriteLong: 0,
  output: 2_000_000,
  reasoning: 0,
  audioInput: 0,
  audioOutput: 0,
}
export const MESSAGES = [{ role: 'user', content: 'Hello?' }]

/** A world whose target speaks `dialect`, has one model `m`, and writes 100 tokens at most unless it is told otherwise. */
export function passingWorld(
  dialect: DialectName = 'openai-chat',
  caller: Partial<Caller> = {},
  fields: Partial<Target> = {},
): PathWorld {
  const target = someTarget('t', {
    dialect,
    baseUrl: ADDRESSES[dialect] ?? '',
    model: 'm',
    price: PRICE,
    maxOutputTokens: 100,
    ...fields,
  })
  const made = pathWorld([target])
  made.caller = { ...callerOf(made), ...caller }
  made.upstream = () => Response.json({ fine: true })
  return made
}

interface Sent {
  readonly method?: string
  readonly headers?: Readonly<Record<string, string>>
}

/** Sends a request with a key: what the client gets of it, and how many calls the provider got. */
export async function outcome(to: PathWorld, path: string, body: object | string | null, sent: Sent = {}) {
  const { method = 'POST', headers = {} } = sent
  const text = body === null || typeof body === 'string' ? body : JSON.stringify(body)
  const key = { authorization: 'Bearer tg_test_of_the_client' }
  const type = text === null ? {} : { 'content-type': 'application/json' }
  const asked = new Request(`https://gateway.test${path}`, {
    method,
    body: text,
    headers: { ...key, ...type, ...headers },
  })
  const response = await to.serve(
    async (services, later) => (await passThrough(asked, services, later)) ?? Response.error(),
  )
  const { status } = response
  const received = await ended(to, response)
  return { status, headers: response.headers, text: received, calls: to.calls.length }
}
