// The simulated providers' books by key and model: what was produced and what it costs, an aborted stream up to the last
// token that it wrote.
import { afterEach, beforeEach, expect, test } from 'vitest'
import { readCalls, resetBooks, totals } from '../../src/simulated/books.ts'
import { handleSimulated } from '../../src/simulated/handle-simulated.ts'
import { instantClock } from '../support/simulated.ts'

beforeEach(resetBooks)
afterEach(resetBooks)

const PRICE = { input: 1_500, output: 2_000_000 }
const QUESTION = [{ role: 'user', content: 'Why does the tide come in twice a day?' }]

function ask(key: string, model: string, more: object = {}, signal?: AbortSignal): Promise<Response> {
  const request = new Request('http://simulated/openai/v1/chat/completions', {
    method: 'POST',
    headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
    body: JSON.stringify({ model, messages: QUESTION, ...more }),
    ...(signal === undefined ? {} : { signal }),
  })
  return handleSimulated(request, instantClock())
}

test('are kept apart by key and model, and priced call by call', async () => {
  await (await ask('one', 'sim-tokens3')).text()
  await (await ask('one', 'sim-tokens5')).text()
  await (await ask('one', 'sim-tokens5')).text()
  await (await ask('two', 'sim-tokens5')).text()
  await (await ask('two', 'sim-e500')).text()
  const input = readCalls()[0]?.tokensIn ?? 0
  const cost = (out: number): number => Math.ceil((input * PRICE.input + out * PRICE.output) / 1_000)
  expect(totals(PRICE)).toEqual([
    { key: 'one', model: 'sim-tokens3', calls: 1, tokensIn: input, tokensOut: 3, nanoUsd: cost(3) },
    { key: 'one', model: 'sim-tokens5', calls: 2, tokensIn: 2 * input, tokensOut: 10, nanoUsd: 2 * cost(5) },
    { key: 'two', model: 'sim-tokens5', calls: 1, tokensIn: input, tokensOut: 5, nanoUsd: cost(5) },
    { key: 'two', model: 'sim-e500', calls: 1, tokensIn: input, tokensOut: 0, nanoUsd: 0 },
  ])
})

test('have an aborted stream up to the last token that it wrote', async () => {
  const leaving = new AbortController()
  const response = await ask('one', 'sim-tokens500', { stream: true }, leaving.signal)
  const reader = response.body?.getReader()
  // The role, then seven tokens.
  for (let read = 0; read < 8; read += 1) await reader?.read()
  leaving.abort()
  await reader?.read().catch(() => null)
  expect(readCalls()).toMatchObject([{ key: 'one', tokensOut: 7, ending: 'aborted' }])
})

test('are told over HTTP', async () => {
  await (await ask('one', 'sim-tokens3')).text()
  const told = await handleSimulated(new Request('http://simulated/books/totals?input=0&output=2000000'))
  expect(await told.json()).toMatchObject({
    totals: [{ key: 'one', model: 'sim-tokens3', tokensOut: 3, nanoUsd: 6_000 }],
  })
  const calls = await handleSimulated(new Request('http://simulated/books/calls'))
  expect(await calls.json()).toMatchObject({ calls: [{ key: 'one', tokensOut: 3, ending: 'completed' }] })
})

test('tell whose call it was, where the request says so', async () => {
  const body = (words: string) => ({
    body: JSON.stringify({ model: 'sim-tokens3', messages: [{ role: 'user', content: words }] }),
  })
  const headers = { authorization: 'Bearer one', 'content-type': 'application/json' }
  for (const words of ['Count (ref-7a3) waves', 'Count waves']) {
    const request = new Request('http://simulated/openai/v1/chat/completions', {
      method: 'POST',
      headers,
      ...body(words),
    })
    await (await handleSimulated(request, instantClock())).text()
  }
  const vectors = {
    method: 'POST',
    headers,
    body: JSON.stringify({ model: 'sim-vectors', input: ['ref-7a4 tide', 'ebb, for ref-7a5 and ref-7a4'] }),
  }
  await handleSimulated(new Request('http://simulated/openai/v1/embeddings', vectors))
  expect(readCalls().map(({ reference }) => reference)).toEqual(['ref-7a3', null, 'ref-7a4'])
  expect(readCalls().at(-1)).toMatchObject({ references: ['ref-7a4', 'ref-7a5'], tokensOut: 0, ending: 'completed' })
  for (const { startedAtMs, endedAtMs } of readCalls()) expect(endedAtMs).toBeGreaterThanOrEqual(startedAtMs)
})
