// The clients of this run: each asks for one thing after the other, of whichever gateway comes next, and reads, breaks off or
// leaves.
import { FEATURES, type Feature, type FeatureName, type TenantName, userOf } from './features.ts'
import type { Gateway } from './processes.ts'
import type { Keys } from './setup.ts'

/** One request, as its client knows it. */
export interface Asked {
  /** What the provider's books and the ledger's tags call it. Requests for the same cached prompt share it. */
  readonly reference: string
  readonly feature: FeatureName
  readonly tenant: TenantName
  /** Whose limits it takes from; null for nobody's. */
  readonly endUser: string | null
  /** Of the gateway that was asked. */
  readonly serial: number
  readonly atMs: number
  endedAtMs: number
  outcome: 'served' | 'refused' | 'broken' | 'left'
  status: number
  /** Why it was refused. */
  code: string
  /** Null where its headers never came. */
  requestId: string | null
}

export interface Client {
  readonly keys: Keys
  /** Of which this request is one: makes the reference. */
  readonly run: string
}

/** Asks `gateway` for a feature; the `number`th request of the run. Never rejects. */
export async function askFor(
  feature: FeatureName,
  number: number,
  gateway: Gateway,
  { keys, run }: Client,
): Promise<Asked> {
  const wanted: Feature = FEATURES[feature]
  const { tenant, prompts } = wanted
  const id = prompts === undefined ? `${run}n${number}` : `${run}${feature.replace(/\W/g, '')}${number % prompts}`
  const asked: Asked = {
    reference: `ref-${id}`,
    feature,
    tenant,
    endUser: userOf(wanted, number),
    serial: gateway.serial,
    atMs: Date.now(),
    endedAtMs: 0,
    outcome: 'broken',
    status: 0,
    code: '',
    requestId: null,
  }
  gateway.open += 1
  try {
    await converse(wanted, gateway.url, keys[tenant].key, asked)
  } catch {
    // The connection broke: the gateway has died, or its provider has.
  }
  gateway.open -= 1
  asked.endedAtMs = Date.now()
  return asked
}

async function converse(feature: Feature, url: string, key: string, asked: Asked): Promise<void> {
  const leaving = new AbortController()
  const timer = setTimeout(() => leaving.abort(), PATIENCE_MS)
  try {
    const response = await fetch(url + PATHS[feature.wire], {
      method: 'POST',
      headers: {
        authorization: `Bearer ${key}`,
        'content-type': 'application/json',
        'anthropic-version': '2023-06-01',
        'x-tidegate-tags': asked.reference,
      },
      body: JSON.stringify(bodyOf(feature, asked)),
      signal: leaving.signal,
    })
    asked.status = response.status
    asked.requestId = response.headers.get('x-tidegate-request-id')
    if (feature.leavesAfter !== undefined && response.ok) {
      await readSome(response, feature.leavesAfter)
      asked.outcome = 'left'
      leaving.abort()
      return
    }
    const text = await response.text()
    asked.outcome = response.ok ? 'served' : 'refused'
    if (!response.ok) asked.code = /"(?:code|type)": ?"(\w+)"/g.exec(text)?.[1] ?? ''
  } finally {
    clearTimeout(timer)
  }
}

const PATIENCE_MS = 20_000

const PATHS = {
  chat: '/v1/chat/completions',
  messages: '/v1/messages',
  responses: '/v1/responses',
  embeddings: '/v1/embeddings',
  passed: '/openai/v1/chat/completions',
} as const

function bodyOf({ wire, model, isStreamed, more, atOnce }: Feature, { reference, endUser }: Asked): object {
  const prompt = `Count the waves (${reference}), please.`
  const stream = isStreamed ? { stream: true } : {}
  const messages = [{ role: 'user', content: prompt }]
  switch (wire) {
    case 'embeddings':
      return { model, input: atOnce === undefined ? [prompt, 'and the wind'] : prompt }
    case 'responses':
      return { model, input: prompt, ...stream }
    case 'messages':
      return { model, messages, max_tokens: 400, ...stream }
    case 'passed':
      return { model, messages, ...stream, ...(isStreamed ? { stream_options: { include_usage: true } } : {}) }
    case 'chat':
      return { model, messages, ...stream, ...more, ...(endUser === null ? {} : { user: endUser }) }
  }
}

const TOKEN = /"content":"[^"]|"text_delta"/g

/** Reads until so many tokens have come, or there are no more. */
async function readSome({ body }: Response, tokens: number): Promise<void> {
  const decoder = new TextDecoder()
  let seen = 0
  for await (const chunk of body ?? []) {
    seen += decoder.decode(chunk, { stream: true }).match(TOKEN)?.length ?? 0
    if (seen >= tokens) return
  }
}
