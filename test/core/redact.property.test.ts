// What is passed on of a provider's words: nothing that opens a door, names an account or shows a network, wherever it stands;
// and otherwise every word.
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { readErrorBody, readErrorResponse } from '../../src/dialects/failures/provider-error.ts'
import { redact } from '../../src/dialects/redact.ts'

const DIGITS = '0123456789'
const LETTERS = 'abcdefghijklmnopqrstuvwxyz'
const WORD = `${LETTERS}${LETTERS.toUpperCase()}${DIGITS}`

function runOf(alphabet: string, lengthMin: number, lengthMax: number): fc.Arbitrary<string> {
  const unit = fc.constantFrom(...alphabet)
  return fc.array(unit, { minLength: lengthMin, maxLength: lengthMax }).map((units) => units.join(''))
}

const uuid = fc.uuid()
/** A digit first: what tells a key from a word. */
const random = fc.tuple(fc.constantFrom(...DIGITS), runOf(WORD, 15, 40)).map((pieces) => pieces.join(''))

const secrets: Readonly<Record<string, fc.Arbitrary<string>>> = {
  openai: random.map((text) => `sk-proj-${text}`),
  anthropic: random.map((text) => `sk-ant-api03-${text}`),
  openrouter: runOf('0123456789abcdef', 64, 64).map((text) => `sk-or-v1-1${text}`),
  groq: random.map((text) => `gsk_${text}`),
  xai: random.map((text) => `xai-${text}`),
  huggingFace: random.map((text) => `hf_${text}`),
  perplexity: random.map((text) => `pplx-${text}`),
  nvidia: random.map((text) => `nvapi-${text}`),
  ours: random.map((text) => `tg_live_${text}`),
  google: runOf(`${WORD}_-`, 35, 35).map((text) => `AIza${text}`),
  googleToken: random.map((text) => `ya29.${text}`),
  amazon: runOf(`${LETTERS.toUpperCase()}${DIGITS}`, 16, 16).map((text) => `AKIA${text}`),
  databricks: runOf('0123456789abcdef', 32, 32).map((text) => `dapi${text}`),
  bearer: random.map((text) => `Bearer ${text}`),
  jwt: fc.tuple(random, random, random).map((parts) => `eyJ${parts.join('.')}`),
  azure: fc.tuple(random, runOf(WORD, 60, 60)).map(([head, tail]) => `aA${head}${tail}`),
  organization: random.map((text) => `org-${text.slice(1)}7${text}`),
  project: random.map((text) => `proj_${text}`),
  account: uuid,
  subscription: uuid.map((id) => `/subscriptions/${id}/resourceGroups/harbour-prod-7`),
  arn: runOf(DIGITS, 12, 12).map((id) => `arn:aws:bedrock:us-east-1:${id}`),
  mail: random.map((text) => `keeper.${text}@lighthouse.example`),
  private: fc.tuple(fc.nat(255), fc.nat(255), fc.nat(255)).map((bytes) => `10.${bytes.join('.')}`),
  privatePort: fc
    .tuple(fc.nat(255), fc.integer({ min: 1000, max: 65_535 }))
    .map(([byte, port]) => `192.168.7.${byte}:${port}`),
  internal: random.map((text) => `http://gpu-${text}.cluster.internal:8000/v1/chat`),
  service: random.map((text) => `engine-${text}.models.svc.cluster.local`),
  localhost: fc.integer({ min: 1000, max: 65_535 }).map((port) => `localhost:${port}`),
  port: random.map((text) => `https://inference-${text}.harbour.example:8443/v1?x=1`),
  credentials: random.map((text) => `https://keeper:${text}@harbour.example/v1`),
  resource: random.map((text) => `https://tide${text.toLowerCase()}.openai.azure.com/openai`),
  ipv6: fc.constant('[fd00:12:34:56::7]:9000'),
  path: random.map((text) => `/home/keeper/${text}/server.py`),
}

/** What providers put around what they quote. */
const around = fc.constantFrom<readonly [string, string]>(
  ['', ''],
  ['Incorrect API key provided: ', '. You can find your API key online.'],
  ['Upstream said: "', '"'],
  ['connect ECONNREFUSED ', ''],
  ['{"error":"', '"}'],
  ['(', ')'],
  ['request to ', ' failed, reason: timeout'],
  ['in organization ', ' on tokens per min'],
  ['`', '`'],
)

/** The piece of a secret that gives it away. */
function coreOf(secret: string): string {
  return secret.slice(Math.min(8, Math.floor(secret.length / 3)), -1)
}

describe('redaction', () => {
  test.each(Object.entries(secrets))('leaves nothing of %s, wherever it stands', (_, secret) => {
    fc.assert(
      fc.property(secret, around, (text, [before, after]) => {
        const told = redact(`${before}${text}${after}`)
        expect(told).not.toContain(text)
        expect(told).not.toContain(coreOf(text))
        expect(told).toContain('[redacted]')
      }),
    )
  })

  test('twice changes nothing more, and any text is taken', () => {
    const anyText = fc.oneof(fc.string(), fc.string({ unit: 'binary' }), fc.oneof(...Object.values(secrets)))
    fc.assert(
      fc.property(fc.array(fc.tuple(anyText, around)), (pieces) => {
        const once = redact(pieces.map(([text, [before, after]]) => before + text + after).join(' '))
        expect(redact(once)).toBe(once)
      }),
    )
  })

  test.each([
    "Unsupported value: 'messages[0].role' does not support 'system' with this model.",
    'The model `meta-llama/Meta-Llama-3.1-70B-Instruct-Turbo` does not exist or you do not have access to it.',
    'Rate limit reached on tokens per min. Limit: 10000 / min. Please try again in 6ms.',
    'Visit https://platform.openai.com/docs/guides/error-codes/api-errors for more.',
    'Invalid value at line 12:30, column 4 (llama3:8b, functions.multiply:1) at 12:30:45.',
    'Use scikit-learn or sk-learn; the key-value store is read-only; token-level bounds apply.',
    'Expected a value <= 2, but got 99.0 instead. Version 1.2.3 of the API.',
    'tools.0.custom.input_schema.type: Field required',
    "This model's maximum context length is 131072 tokens. However, you requested 156632 tokens.",
    'Please set response_format.json_schema.schema.additionalProperties to false.',
    'models/gemini-live-2.5-flash is not found for API version v1beta, or is not supported for generateContent.',
  ])('keeps every word of %s', (message) => {
    expect(redact(message)).toBe(message)
  })

  test('holds for the message, the code and the field of an error, in a response and inside a stream', () => {
    const secret = 'sk-proj-0123456789abcdefABCDEF'
    const body = { error: { message: `no ${secret}`, code: secret, type: `t ${secret}`, param: secret } }
    for (const failure of [
      readErrorBody(body),
      readErrorResponse(400, { get: () => null }, JSON.stringify(body), 1),
      readErrorResponse(500, { get: () => null }, `plain ${secret}`, 1),
    ]) {
      expect(JSON.stringify(failure)).not.toContain('0123456789abcdef')
    }
  })

  test('is bounded in what it reads and what it passes on', () => {
    const failure = readErrorResponse(400, { get: () => null }, `x ${'tide '.repeat(100_000)}`, 1)
    expect(failure.message.length).toBeLessThanOrEqual(1001)
  })
})
