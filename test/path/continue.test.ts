// A reply that goes on after its provider died: what it is billed as, what its client is told, and when it doesn't go on.
import { afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest'
import type { Target } from '../../src/core/directory.ts'
import { type Json, parseJson } from '../../src/core/json.ts'
import { CONTINUE_INSTRUCTION } from '../../src/core/reply/continuation.ts'
import { routeTable } from '../../src/core/routing/route-table.ts'
import { arrayOf, objectOf } from '../../src/wire/read.ts'
import { type PathWorld, type SentCall, ended, expectSettled, holdTime, pathWorld } from '../support/path-world.ts'
import { contentEvent } from '../support/raw-provider.ts'
import { ending, streamed } from '../support/scripted-provider.ts'
import { TARGET } from '../support/target.ts'

// It is loaded late, and the test's clock runs meanwhile.
beforeAll(() => import('../../src/data-plane/answer/continue.ts'))
beforeEach(holdTime)
afterEach(() => vi.useRealTimers())

const ASK = {
  model: 'asked',
  messages: [{ role: 'user', content: 'Hello?' }],
  stream: true,
  stream_options: { include_usage: true },
}

function target(id: string, more: Partial<Target> = {}): Target {
  return {
    ...TARGET,
    id,
    provider: id,
    model: `model-${id}`,
    timeouts: { firstContentMs: 1_000, idleMs: 500, totalMs: 60_000 },
    ...more,
  }
}

/** `a` says `The quick bro` and dies; whoever comes next says the rest. */
function dyingWorld(more: Partial<Target> = {}, rest = ['wn fox', '.']): PathWorld {
  const world = pathWorld([target('a'), target('b', more)])
  world.upstream = (call) =>
    world.calls.length === 1
      ? streamed(call, ['The qui', 'ck bro'].map(contentEvent), 'breaks')
      : streamed(call, [...rest.map(contentEvent), ending()])
  return world
}

function said(text: string): string {
  return chunks(text)
    .map((chunk) => String(objectOf(objectOf(arrayOf(chunk['choices'])[0])['delta'])['content'] ?? ''))
    .join('')
}

function chunks(text: string): readonly ReturnType<typeof objectOf>[] {
  return text
    .split('\n')
    .filter((line) => line.startsWith('data: {'))
    .map((line) => objectOf(parseJson(line.slice(6))))
}

function messagesOf(call: SentCall | undefined): readonly Json[] {
  return arrayOf(objectOf(parseJson(call?.text ?? ''))['messages'])
}

test('is one reply to its client, and tells who went on', async () => {
  const world = dyingWorld()
  const text = await ended(world, await world.ask(ASK))
  expect(said(text)).toBe('The quick brown fox.')
  expect(new Set(chunks(text).map(({ id }) => id))).toEqual(new Set(['chatcmpl-raw']))
  expect(text).toMatch(/^: failover b$/m)
  expect(text.endsWith('data: [DONE]\n\n')).toBe(true)
  const last = chunks(text).at(-1)
  expect(last?.['tidegate']).toEqual({ failover: { from: ['a'], to: 'b', reason: 'stream', request_id: 'id-1' } })
  expect(messagesOf(world.calls[1])).toEqual([
    ...ASK.messages,
    { role: 'assistant', content: 'The quick bro' },
    { role: 'user', content: CONTINUE_INSTRUCTION },
  ])
})

test('is billed as two attempts, and told as one: the prompt once, all output', async () => {
  const world = dyingWorld()
  const text = await ended(world, await world.ask(ASK))
  const [first, second, ...rest] = expectSettled(world)
  expect(rest).toEqual([])
  expect(first).toMatchObject({
    targetId: 'a',
    ending: 'provider-cut',
    failure: 'stream',
    isFinal: false,
    isEstimated: true,
    tags: [],
  })
  expect(second).toMatchObject({
    targetId: 'b',
    ending: 'finished',
    isFinal: true,
    status: 200,
    tags: ['tidegate:continued'],
  })
  expect(second?.usage).toMatchObject({ input: 10, output: 5 })
  expect(first?.usage.output).toBeGreaterThan(0)
  const told = objectOf(chunks(text).at(-1)?.['usage'])
  expect(told['prompt_tokens']).toBe(first?.usage.input)
  expect(told['completion_tokens']).toBe((first?.usage.output ?? 0) + 5)
  expect(world.permits).toMatchObject([
    { targetId: 'a', heard: ['stream'] },
    { targetId: 'b', heard: [null] },
  ])
})

test('asks for what is left of the output that was asked for', async () => {
  const world = dyingWorld({ quirks: ['max-tokens'] })
  await ended(world, await world.ask({ ...ASK, max_tokens: 20 }))
  expect(objectOf(parseJson(world.calls[1]?.text ?? ''))['max_tokens']).toBe(16)
  expect(world.admitted[1]?.amounts.outputTokens).toBeLessThanOrEqual(16)
})

describe('a model that goes on from a prefix', () => {
  test.each([
    [
      'prefix-member',
      { role: 'assistant', content: 'The quick bro', prefix: true },
      {},
      ['The quick bro', 'wn fox', '.'],
    ],
    [
      'continue-final-message',
      { role: 'assistant', content: 'The quick bro' },
      { continue_final_message: true, add_generation_prompt: false },
      ['wn fox', '.'],
    ],
  ])('is given one: %s', async (quirk, last, members, rest) => {
    const world = dyingWorld({ quirks: [quirk] }, rest)
    expect(said(await ended(world, await world.ask(ASK)))).toBe('The quick brown fox.')
    expect(messagesOf(world.calls[1])).toEqual([...ASK.messages, last])
    expect(objectOf(parseJson(world.calls[1]?.text ?? ''))).toMatchObject(members)
  })

  test('is given one on the Anthropic wire, without blanks at its end, unless it is to think', async () => {
    const anthropic = { dialect: 'anthropic-messages', capabilities: { prefix: true } } as const
    for (const [more, turns] of [
      [{}, 2],
      [{ reasoning_effort: 'low' }, 3],
    ] as const) {
      const world = pathWorld([target('a'), target('b', { ...anthropic, maxOutputTokens: 9_000 })])
      world.upstream = (call) =>
        call.target.id === 'a' ? streamed(call, [contentEvent('The quick ')], 'breaks') : streamed(call, [])
      await ended(world, await world.ask({ ...ASK, ...more }))
      expect(messagesOf(world.calls[1])).toHaveLength(turns)
      expect(objectOf(messagesOf(world.calls[1])[1])['content']).toBe(turns === 2 ? 'The quick' : 'The quick ')
    }
  })
})

test('a target alone is asked once more, and no reply is the work of more than three', async () => {
  const world = pathWorld([target('a')])
  world.upstream = (call) => streamed(call, [contentEvent(`${world.calls.length} `)], 'breaks')
  const text = await ended(world, await world.ask(ASK))
  expect(world.calls).toHaveLength(3)
  expect(said(text)).toBe('1 2 3 ')
  expect(text.match(/"error":/g)).toHaveLength(1)
  expect(text).not.toContain('[DONE]')
  expect(expectSettled(world).map(({ isFinal }) => isFinal)).toEqual([false, false, true])
})

test('whoever can not be admitted does not go on: the refusal is told, and the first attempt is paid', async () => {
  const world = dyingWorld()
  world.refusal = (number) => (number === 2 ? { kind: 'unavailable' } : null)
  const text = await ended(world, await world.ask(ASK))
  expect(said(text)).toBe('The quick bro')
  expect(text.match(/"error":/g)).toHaveLength(1)
  expect(expectSettled(world)).toMatchObject([{ targetId: 'a', isFinal: false }])
  expect(world.recorded).toMatchObject([{ isFinal: true }])
})

describe('nobody goes on', () => {
  const TOOL_CALL = { index: 0, id: 'call', type: 'function', function: { name: 'tide', arguments: '{"port":' } }

  test.each([
    ['where the client does not want it', {}, { 'x-tidegate-failover': 'off' }],
    ['with several replies', { n: 2 }, {}],
    ['with probabilities of tokens', { logprobs: true }, {}],
    ['with a reply in JSON', { response_format: { type: 'json_object' } }, {}],
    ['with a reply in sound', { modalities: ['text', 'audio'], audio: { voice: 'alloy', format: 'pcm16' } }, {}],
  ])('%s', async (_, more, headers) => {
    const world = dyingWorld()
    const text = await ended(world, await world.ask({ ...ASK, ...more }, { headers }))
    expect(said(text)).toBe('The quick bro')
    expect(text.match(/"error":/g)).toHaveLength(1)
    expect(expectSettled(world)).toMatchObject([{ ending: 'provider-cut', isFinal: true }])
  })

  test('who was switched off meanwhile', async () => {
    const world = dyingWorld()
    const answer = world.upstream
    world.upstream = (call) => {
      world.switches.take({ revision: 9, off: { target: ['a', 'b'] } })
      return answer(call)
    }
    await ended(world, await world.ask(ASK))
    expect(expectSettled(world)).toMatchObject([{ targetId: 'a', isFinal: true }])
  })

  test('where the route does not want it', async () => {
    const world = dyingWorld()
    const targets = { a: target('a'), b: target('b') }
    const route = {
      id: 'route',
      model: 'asked',
      tenantId: null,
      targets: ['a', 'b'],
      allowedGaps: [],
      midStreamFailover: false,
    } as const
    world.table = routeTable({ revision: 2, targets, routes: [route] })
    await ended(world, await world.ask(ASK))
    expect(expectSettled(world)).toHaveLength(1)
  })

  test('when it is the client who is mistaken', async () => {
    const world = dyingWorld()
    const error =
      'data: {"error":{"message":"Too much.","type":"invalid_request_error","code":"context_length_exceeded"}}\n\n'
    world.upstream = (call) => streamed(call, [contentEvent('So far'), error])
    await ended(world, await world.ask(ASK))
    expect(expectSettled(world)).toMatchObject([{ failure: 'client', isFinal: true }])
  })

  test('half a tool call is never seen: it is made anew', async () => {
    const world = dyingWorld()
    const half = (call: object): string =>
      contentEvent('').replace('{"content":""}', JSON.stringify({ tool_calls: [call] }))
    world.upstream = (call) =>
      world.calls.length === 1
        ? streamed(call, [contentEvent('Let me see. '), half(TOOL_CALL)], 'breaks')
        : streamed(call, [
            half({ ...TOOL_CALL, id: 'other' }),
            half({ index: 0, function: { arguments: '"Brest"}' } }),
            ending('tool_calls'),
          ])
    const text = await ended(world, await world.ask(ASK))
    expect(said(text)).toBe('Let me see. ')
    expect(text).not.toContain('"id":"call"')
    expect(text.match(/"id":"other"/g)).toHaveLength(1)
    expect(text).toContain('"finish_reason":"tool_calls"')
    expectSettled(world)
  })
})

describe('a call of a tool', () => {
  const tools = [{ type: 'function', function: { name: 'tide', parameters: { type: 'object', properties: {} } } }]
  const piece = (fields: object): string =>
    `data: ${JSON.stringify({ id: 'c', object: 'chat.completion.chunk', created: 1, model: 'm', choices: [{ index: 0, delta: { tool_calls: [{ index: 0, ...fields }] }, finish_reason: null }] })}\n\n`
  const PIECES = [
    piece({ id: 'call_1', type: 'function', function: { name: 'tide', arguments: '' } }),
    piece({ function: { arguments: '{"port":' } }),
  ]

  /** What the client has of a stream whose provider stops in the middle of a call. */
  async function seen(ids: readonly string[]): Promise<string> {
    const world = pathWorld(ids.map((id) => target(id, { maxRetries: 0 })))
    world.upstream = (call) => streamed(call, PIECES, 'breaks')
    return ended(world, await world.ask({ ...ASK, tools }))
  }

  test('streams as it comes where nobody else could go on', async () => {
    const text = await seen(['a'])
    expect(text).toContain('{\\"port\\":')
    expect(text).toContain('"error"')
  })

  test('is held back until it is whole where somebody could', async () => {
    const text = await seen(['a', 'b'])
    expect(text).not.toContain('{\\"port\\":')
    expect(text).toContain('"error"')
  })
})
