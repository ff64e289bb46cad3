// A stream that outgrows its budget, on both lanes: it is cut before it overruns what is reserved, ends as one that came to
// its output bound, and is charged what its provider has produced. The providers are the simulated ones, with their books;
// the limits are in the test's hands.
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import type { Target } from '../../src/core/directory.ts'
import type { Amounts } from '../../src/core/limits/limits.ts'
import { serve } from '../../src/data-plane/serve.ts'
import { readCalls, resetBooks } from '../../src/simulated/books.ts'
import { type PathWorld, ended, expectSettled, holdTime, passing, pathWorld } from '../support/path-world.ts'
import { protocols } from '../support/registries.ts'
import { responseEvents, responseObjection } from '../support/response-order.ts'
import { askSimulated } from '../support/simulated.ts'
import { costingPicoUsd, someTarget } from '../support/targets.ts'

beforeEach(() => {
  holdTime()
  resetBooks()
})
afterEach(() => {
  vi.useRealTimers()
  resetBooks()
})

const QUESTION = 'Why does the tide come in twice a day?'
const PRICE = costingPicoUsd(1_000_000, 2_000_000)
/** Of output. */
const NANO_USD_PER_TOKEN = 2_000
/** Reserved for output at first. */
const LIKELY = 1_024

type ProtocolName = keyof typeof ASKED

const ASKED = {
  chat: { messages: [{ role: 'user', content: QUESTION }], stream_options: { include_usage: true } },
  messages: { messages: [{ role: 'user', content: QUESTION }], max_tokens: 4_000 },
  responses: { input: QUESTION },
  completions: { prompt: QUESTION, stream_options: { include_usage: true } },
} as const

/** One target on this simulated provider, whose model's output is all visible. */
function worldOf(dialect: 'openai-chat' | 'anthropic-messages', fields: Partial<Target> = {}): PathWorld {
  const target = {
    dialect,
    model: 'sim-tokens3000',
    price: PRICE,
    maxOutputTokens: 4_000,
    capabilities: { reasoning: false },
  }
  const world = pathWorld([someTarget('a', { ...target, timeouts: LONG, ...fields })])
  world.limitsMoney = true
  // What a while of traffic has taught: the simulated tokens are four characters each.
  world.calibration.learnReply(`simulated/${fields.model ?? target.model}`, 4_000, 1_000)
  world.upstream = (call) => {
    const base = dialect === 'openai-chat' ? 'openai/v1' : 'anthropic/v1'
    const headers = { authorization: 'Bearer of-the-gateway', 'anthropic-version': '2023-06-01', ...call.headers }
    const init = { method: 'POST', headers, body: call.text, signal: call.signal }
    return askSimulated(new Request(`http://simulated/${base}${call.path}`, init))
  }
  return world
}

const LONG = { firstContentMs: 60_000, idleMs: 60_000, totalMs: 600_000 }

async function streamOf(world: PathWorld, name: ProtocolName, more: object = {}): Promise<string> {
  const protocol = protocols[name]
  const body = JSON.stringify({ model: 'asked', stream: true, ...ASKED[name], ...more })
  const headers = { authorization: 'Bearer tg_test_of_the_client', 'content-type': 'application/json' }
  const request = new Request(`https://gateway.test${protocol.endpoint}`, { method: 'POST', headers, body })
  return ended(world, await world.serve((services, later) => serve(request, protocol, services, later)))
}

/** The JSON of a stream's events. */
function eventsOf(text: string): readonly Record<string, unknown>[] {
  const lines = text.split('\n').filter((line) => line.startsWith('data: {'))
  return lines.map((line) => JSON.parse(line.slice('data: '.length)))
}

/** What is legal as an end, by protocol: as an output bound ends it, with the reason in the last event. */
const ENDS: Readonly<Record<ProtocolName, (text: string, reason: string) => void>> = {
  chat(text, reason) {
    const events = eventsOf(text)
    expect(text.endsWith('}\n\ndata: [DONE]\n\n')).toBe(true)
    expect(events.at(-2)).toMatchObject({ choices: [{ index: 0, delta: {}, finish_reason: 'length' }] })
    expect(events.at(-1)).toMatchObject({
      choices: [],
      usage: { prompt_tokens: expect.any(Number) },
      tidegate: { reason },
    })
    for (const name of ['id', 'model', 'created', 'object']) {
      expect(new Set(events.map((event) => event[name])).size).toBe(1)
    }
  },
  completions(text, reason) {
    const events = eventsOf(text)
    expect(text.endsWith('}\n\ndata: [DONE]\n\n')).toBe(true)
    expect(events.at(-2)).toMatchObject({ choices: [{ text: '', finish_reason: 'length' }] })
    expect(events.at(-1)).toMatchObject({
      choices: [],
      usage: { completion_tokens: expect.any(Number) },
      tidegate: { reason },
    })
  },
  messages(text, reason) {
    const events = eventsOf(text)
    expect(events.slice(-3)).toMatchObject([
      { type: 'content_block_stop', index: 0 },
      { type: 'message_delta', delta: { stop_reason: 'max_tokens' }, usage: { output_tokens: expect.any(Number) } },
      { type: 'message_stop', tidegate: { reason } },
    ])
    const types = events.map(({ type }) => type)
    expect(types.filter((type) => type === 'message_start' || type === 'content_block_start')).toHaveLength(2)
  },
  responses(text, reason) {
    const events = responseEvents(text)
    expect(responseObjection(events)).toBe(null)
    expect(events.at(-1)).toMatchObject({
      type: 'response.incomplete',
      response: { status: 'incomplete', incomplete_details: { reason: 'max_output_tokens' } },
      tidegate: { reason },
    })
  },
}

const LANES = [
  ['chat', 'openai-chat'],
  ['chat', 'anthropic-messages'],
  ['messages', 'anthropic-messages'],
  ['messages', 'openai-chat'],
  ['responses', 'openai-chat'],
  ['responses', 'anthropic-messages'],
  ['completions', 'openai-chat'],
] as const

describe.each(LANES)('%s over %s', (protocol, dialect) => {
  test('is cut before it overruns what is reserved, and is charged what was produced', async () => {
    const world = worldOf(dialect)
    world.mayExtend = () => false
    ENDS[protocol](await streamOf(world, protocol), 'budget_exhausted')
    const [event] = expectSettled(world)
    const [book] = readCalls()
    expect(book).toMatchObject({ ending: 'aborted' })
    expect(event).toMatchObject({ ending: 'cut-by-limit', failure: 'budget-exhausted', status: 200, isEstimated: true })
    expect(event?.usage.output).toBe(book?.tokensOut)
    // A hundred tokens a second, so 75 for the slack, a tenth for caution.
    expect(event?.usage.output).toBeGreaterThan(0.9 * LIKELY - 110)
    expect(event?.usage.output).toBeLessThanOrEqual(LIKELY)
    expect(event?.costNanoUsd).toBeLessThanOrEqual(world.admitted[0]?.amounts.nanoUsd ?? 0)
  })

  test('goes on to its end when there is more', async () => {
    const world = worldOf(dialect)
    const asked: number[] = []
    world.mayExtend = ({ nanoUsd }) => {
      asked.push(nanoUsd / NANO_USD_PER_TOKEN)
      return new Promise((resolve) => setTimeout(() => resolve(true), 200))
    }
    await streamOf(world, protocol)
    expect(readCalls()).toMatchObject([{ tokensOut: 3_000, ending: 'completed' }])
    expect(expectSettled(world)).toMatchObject([{ ending: 'finished', usage: { output: 3_000 }, isEstimated: false }])
    const sum = asked.reduce((all, tokens) => all + tokens, LIKELY)
    expect(sum).toBeGreaterThanOrEqual(3_000)
    expect(sum).toBeLessThanOrEqual(4_000)
  })

  test.each([
    ['slot-lost', 'concurrency_slot_lost'],
    ['revoked', 'key_revoked'],
    ['cancelled', 'cancelled_by_operator'],
  ] as const)('ends in order when its leave is gone: %s', async (why, reason) => {
    const world = worldOf(dialect)
    let calls = 0
    world.mayExtend = () => {
      calls += 1
      world.mustEnd = why
      return true
    }
    ENDS[protocol](await streamOf(world, protocol), reason)
    expect(calls).toBe(1)
    const failure = why === 'revoked' ? 'key-revoked' : why
    const [event] = expectSettled(world)
    expect(event).toMatchObject({ ending: 'cut-by-limit', failure })
    expect(event?.usage.output).toBe(readCalls()[0]?.tokensOut)
  })
})

describe('what is asked for in mid-stream', () => {
  test('is less where there is less, and nothing that was had is left', async () => {
    const world = worldOf('openai-chat')
    let left = 300 * NANO_USD_PER_TOKEN
    world.mayExtend = ({ nanoUsd }: Amounts) => {
      if (nanoUsd > left) return false
      left -= nanoUsd
      return true
    }
    ENDS.chat(await streamOf(world, 'chat'), 'budget_exhausted')
    const [event] = expectSettled(world)
    expect(left).toBeLessThan(64 * NANO_USD_PER_TOKEN)
    expect(event?.usage.output).toBeGreaterThan(0.9 * (LIKELY + 236) - 110)
    expect(event?.usage.output).toBeLessThanOrEqual(LIKELY + 300)
  })

  test.each([true, false])('is taken from limits of tokens, too, as far as they have it (%s)', async (hasTokens) => {
    const world = worldOf('openai-chat')
    world.limitsTokens = true
    const had: Amounts[] = []
    world.mayExtend = (more: Amounts) => {
      if (more.outputTokens > 0 && !hasTokens) return false
      had.push(more)
      return true
    }
    await streamOf(world, 'chat')
    expect(expectSettled(world)).toMatchObject([{ ending: 'finished', usage: { output: 3_000 } }])
    const tokens = had.reduce((sum, { outputTokens }) => sum + outputTokens, 0)
    const paid = had.reduce((sum, { nanoUsd }) => sum + nanoUsd / NANO_USD_PER_TOKEN, 0)
    expect(paid).toBeGreaterThanOrEqual(3_000 - LIKELY)
    expect(tokens).toBe(hasTokens ? paid : 0)
  })

  test('takes of limits of tokens only what was not taken at admission', async () => {
    const world = worldOf('openai-chat')
    world.limitsTokens = true
    const taken: number[] = []
    world.mayExtend = ({ outputTokens }: Amounts) => {
      taken.push(outputTokens)
      return true
    }
    await streamOf(world, 'chat', { max_tokens: 4_000 })
    expect(taken.length).toBeGreaterThan(0)
    expect(taken.every((tokens) => tokens === 0)).toBe(true)
  })

  test('holds the stream up only when nothing is left to say meanwhile', async () => {
    const world = worldOf('openai-chat', { model: 'sim-tokens1500' })
    let answeredMs = 0
    const arrivals: number[] = []
    world.mayExtend = async () => {
      await new Promise((resolve) => setTimeout(resolve, 500))
      answeredMs ||= Date.now()
      arrivals.push(readCalls()[0]?.tokensOut ?? 0)
      return true
    }
    const asked = Date.now()
    await streamOf(world, 'chat')
    // Asked at 80 %, answered half a second later: by then some fifty tokens more had passed.
    expect(arrivals[0]).toBeGreaterThan(0.9 * 0.8 * LIKELY - 75 + 40)
    expect(answeredMs - asked).toBeLessThan(10_000)
    expect(expectSettled(world)).toMatchObject([{ ending: 'finished', usage: { output: 1_500 } }])
  })

  test('is nothing without a budget, or a price', async () => {
    for (const [limitsMoney, price] of [
      [false, PRICE],
      [true, null],
      [true, costingPicoUsd(0, 0)],
    ] as const) {
      resetBooks()
      const world = worldOf('openai-chat', { price })
      world.limitsMoney = limitsMoney
      world.mayExtend = () => {
        throw new Error('nobody is to be asked')
      }
      await streamOf(world, 'chat')
      expect(world.calls[0]?.text).not.toContain('max_')
      expect(expectSettled(world)).toMatchObject([{ ending: 'finished', usage: { output: 3_000 } }])
    }
  })
})

describe('a model that thinks unseen', () => {
  test('is paid for to its bound beforehand, and never metered', async () => {
    const world = worldOf('openai-chat', { capabilities: { reasoning: true } })
    world.mayExtend = () => false
    await streamOf(world, 'chat')
    expect(JSON.parse(world.calls[0]?.text ?? '')).toMatchObject({ max_completion_tokens: 4_000 })
    expect(world.admitted[0]?.amounts.nanoUsd).toBeGreaterThan(4_000 * NANO_USD_PER_TOKEN)
    expect(expectSettled(world)).toMatchObject([{ ending: 'finished', usage: { output: 3_000 } }])
  })
})

describe('a provider that does not keep to its bound', () => {
  test('is cut a quarter above it', async () => {
    const world = worldOf('openai-chat')
    const { upstream } = world
    world.upstream = (call) => upstream({ ...call, text: call.text.replace('"max_tokens":400', '"max_tokens":9000') })
    world.mayExtend = () => false
    ENDS.chat(await streamOf(world, 'chat', { max_tokens: 400 }), 'budget_exhausted')
    const [event] = expectSettled(world)
    expect(event?.usage.output).toBe(readCalls()[0]?.tokensOut)
    expect(event?.usage.output).toBeLessThan(400 * 1.25 + 2)
  })
})

describe('what was produced is charged', () => {
  test('when a provider that has fallen silent has to be stopped', async () => {
    const world = worldOf('openai-chat', { model: 'sim-tokens3000-stall40' })
    world.mustEnd = 'slot-lost'
    ENDS.chat(await streamOf(world, 'chat'), 'concurrency_slot_lost')
    expect(expectSettled(world)).toMatchObject([{ ending: 'cut-by-limit', usage: { output: 40 } }])
  })

  test('when a client leaves whose provider had told of the prompt alone', async () => {
    const world = worldOf('anthropic-messages')
    const body = JSON.stringify({ model: 'asked', stream: true, ...ASKED.messages })
    const headers = { authorization: 'Bearer tg_test_of_the_client', 'content-type': 'application/json' }
    const request = new Request('https://gateway.test/v1/messages', { method: 'POST', headers, body })
    const response = await world.serve((services, later) => serve(request, protocols.messages, services, later))
    const reader = response.body?.getReader()
    for (let read = 0; read < 20; read += 1) await passing(Promise.resolve(reader?.read()))
    await reader?.cancel()
    await world.finish()
    const [event] = expectSettled(world)
    const [book] = readCalls()
    expect(book?.tokensOut).toBeGreaterThan(10)
    expect(event).toMatchObject({ ending: 'client-left', isEstimated: true })
    expect(event?.usage).toMatchObject({ input: book?.tokensIn, output: book?.tokensOut })
  })
})
