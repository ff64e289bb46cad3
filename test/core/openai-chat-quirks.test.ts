// What OpenAI-compatible providers do differently from each other, one quirk a test.
import { describe, expect, test } from 'vitest'
import { findProvider } from '../../src/catalog/providers.ts'
import type { Target } from '../../src/core/directory.ts'
import { fold } from '../../src/core/reply/fold.ts'
import type { JsonObject } from '../../src/core/json.ts'
import type { NeutralReply } from '../../src/core/neutral.ts'
import { NO_USAGE, totalTokens } from '../../src/core/money/usage.ts'
import type { Usage } from '../../src/core/money/usage.ts'
import { dialects } from '../support/registries.ts'
import { TARGET } from '../support/target.ts'

const dialect = dialects['openai-chat']

function frame(chunk: JsonObject) {
  return { event: '', data: JSON.stringify({ id: 'chatcmpl-1', model: 'm', created: 1, ...chunk }) }
}

function delta(value: JsonObject, finish: string | null = null, index = 0) {
  return frame({ choices: [{ index, delta: value, finish_reason: finish }] })
}

const DONE = { event: '', data: '[DONE]' }

function read(...frames: readonly { event: string; data: string }[]): NeutralReply {
  const reader = dialect.reader(TARGET)
  return fold([...frames.flatMap((one) => reader.push(one)), ...reader.end()])
}

function callsOf(reply: NeutralReply) {
  return reply.choices[0]?.parts.flatMap((part) =>
    part.kind === 'tool-call' ? [[part.id, part.name, part.argumentsText]] : [],
  )
}

describe('tool calls', () => {
  test('several in one delta without numbers are told apart by their places', () => {
    const calls = [
      { id: 'a', function: { name: 'plus', arguments: '{"x":1}' } },
      { id: 'b', function: { name: 'minus', arguments: '{"x":2}' } },
    ]
    const reply = read(delta({ tool_calls: calls }, 'tool_calls'), DONE)
    expect(callsOf(reply)).toEqual([
      ['a', 'plus', '{"x":1}'],
      ['b', 'minus', '{"x":2}'],
    ])
  })

  test('without number and id, a name begins a call and ids are made up, different ones', () => {
    const call = (name: string) => ({ tool_calls: [{ id: '', function: { name, arguments: '{}' } }] })
    expect(callsOf(read(delta(call('plus')), delta(call('plus'), 'stop'), DONE))).toEqual([
      ['call_chatcmpl-1_0_0', 'plus', '{}'],
      ['call_chatcmpl-1_0_1', 'plus', '{}'],
    ])
  })

  test('an id that is empty, null or repeated continues the call of its number', () => {
    const first = delta({ tool_calls: [{ index: 0, id: 'a', function: { name: 'plus', arguments: '' } }] })
    const more = ['', null, 'a'].map((id, at) =>
      delta({ tool_calls: [{ index: 0, id, function: { name: id === 'a' ? null : '', arguments: String(at) } }] }),
    )
    expect(callsOf(read(first, ...more, delta({}, 'tool_calls'), DONE))).toEqual([['a', 'plus', '012']])
  })

  test('a number used twice is two calls where ids and names say so', () => {
    const call = (id: string) => delta({ tool_calls: [{ index: 0, id, function: { name: 'plus', arguments: '{}' } }] })
    expect(callsOf(read(call('a'), call('b'), delta({}, 'tool_calls')))?.length).toBe(2)
  })

  test('arguments may be null, an object, or cut short; none at all are no call of text', () => {
    const call = (args: unknown) => ({
      tool_calls: [{ index: 0, id: 'a', function: { name: 'plus', arguments: args } }],
    })
    expect(callsOf(read(delta(JSON.parse(JSON.stringify(call(null))), 'length'), DONE))).toEqual([['a', 'plus', '']])
    expect(callsOf(read(delta(JSON.parse(JSON.stringify(call({ x: 1 }))), 'stop'), DONE))).toEqual([
      ['a', 'plus', '{"x":1}'],
    ])
    expect(read(delta({ content: 'hi', tool_calls: [] }, 'stop'), DONE).choices[0]?.parts).toEqual([
      { kind: 'text', text: 'hi' },
    ])
  })

  test('the finish follows what was said: stop with a call is a call, length stays', () => {
    const call = { tool_calls: [{ index: 0, id: 'a', function: { name: 'plus', arguments: '{' } }] }
    expect(read(delta(call, 'stop'), DONE).choices[0]?.finish).toBe('tool-calls')
    expect(read(delta(call, 'length'), DONE).choices[0]?.finish).toBe('length')
    expect(read(delta({ content: 'x' }, 'tool_calls'), DONE).choices[0]?.finish).toBe('stop')
    expect(read(delta({ content: 'x' }, 'eos'), DONE).choices[0]?.finish).toBe('stop')
  })

  test('the old function_call is a tool call', () => {
    const message = { role: 'assistant', content: null, function_call: { name: 'plus', arguments: '{}' } }
    const reply = fold(
      dialect.read({ id: 'x', choices: [{ index: 0, message, finish_reason: 'function_call' }] }, TARGET),
    )
    expect(callsOf(reply)).toEqual([['call_x_0_0', 'plus', '{}']])
  })
})

describe('content', () => {
  test('thinking and text in lists, then text as a string again', () => {
    const list = {
      content: [
        { type: 'thinking', thinking: [{ type: 'text', text: 'Hm.' }] },
        { type: 'text', text: 'So' },
      ],
    }
    expect(read(delta(list), delta({ content: ' it is' }, 'stop'), DONE).choices[0]?.parts).toEqual([
      { kind: 'reasoning', text: 'Hm.' },
      { kind: 'text', text: 'So it is' },
    ])
  })

  test('an object where text belongs is JSON text', () => {
    const reply = fold(dialect.read({ choices: [{ message: { content: { a: 1 } }, finish_reason: 'stop' }] }, TARGET))
    expect(reply.choices[0]?.parts).toEqual([{ kind: 'text', text: '{"a":1}' }])
  })

  test('several choices keep apart, however they interleave', () => {
    const reply = read(
      delta({ content: 'a' }, null, 1),
      delta({ content: 'b' }),
      delta({ content: 'c' }, 'stop', 1),
      delta({}, 'length'),
    )
    expect(reply.choices).toEqual([
      { parts: [{ kind: 'text', text: 'b' }], finish: 'length' },
      { parts: [{ kind: 'text', text: 'ac' }], finish: 'stop' },
    ])
  })

  test('reasoning under two names at once is said once', () => {
    const both = {
      reasoning: 'Hm.',
      reasoning_content: 'Hm.',
      reasoning_details: [{ type: 'reasoning.text', text: 'Hm.' }],
    }
    expect(read(delta(both, 'stop'), DONE).choices[0]?.parts).toEqual([{ kind: 'reasoning', text: 'Hm.' }])
  })
})

describe('usage', () => {
  const usage = (prompt: number, completion: number | null, more: JsonObject = {}) => ({
    prompt_tokens: prompt,
    completion_tokens: completion,
    ...more,
  })
  const choices = [{ index: 0, delta: { content: 'x' }, finish_reason: null }]

  test('reported in every chunk, the last one counts', () => {
    const reply = read(
      frame({ choices, usage: usage(5, null) }),
      frame({ choices, usage: usage(5, 2) }),
      frame({ choices: [{ index: 0, delta: {}, finish_reason: 'stop' }], usage: usage(5, 3) }),
      frame({ choices: [], usage: null }),
    )
    expect(reply.usage).toMatchObject({ input: 5, output: 3 })
  })

  test('Groq says it in a place of its own', () => {
    const finish = [{ index: 0, delta: { content: 'x' }, finish_reason: 'stop' }]
    expect(read(frame({ choices: finish, x_groq: { usage: usage(7, 1) } })).usage).toMatchObject({
      input: 7,
      output: 1,
    })
  })

  test('reasoning beside the completion stays beside it, and parts never exceed their whole', () => {
    const beside = usage(10, 2, { total_tokens: 312, completion_tokens_details: { reasoning_tokens: 300 } })
    expect(read(frame({ choices, usage: beside }), DONE).usage).toMatchObject({ output: 2, reasoning: 300 })
    const exceeding = usage(10, 10, { total_tokens: 20, completion_tokens_details: { reasoning_tokens: 11 } })
    expect(read(frame({ choices, usage: exceeding }), DONE).usage).toMatchObject({ output: 0, reasoning: 10 })
    const cached = usage(10, 1, { prompt_tokens_details: { cached_tokens: 12, audio_tokens: 3 } })
    expect(read(frame({ choices, usage: cached }), DONE).usage).toMatchObject({
      input: 0,
      cacheRead: 10,
      audioInput: 0,
    })
  })

  const readUsage = (reported: JsonObject, target = TARGET) => {
    const frames = [frame({ choices, usage: reported }), DONE]
    const meter = dialect.meter(target)
    for (const one of frames) meter.push(one)
    const whole = fold(dialect.read({ choices: [{ message: { content: 'x' } }], usage: reported }, target)).usage
    const streamed = read(...frames).usage
    if (target === TARGET) expect(streamed).toEqual(whole)
    expect(meter.usage).toEqual(whole)
    return whole
  }

  test('what the total has beyond its parts is in the bucket that the numbers name, and the buckets come to the total', () => {
    const cases: readonly (readonly [JsonObject, Partial<Usage>, number])[] = [
      [usage(66, 6, { total_tokens: 100 }), { input: 66, output: 6, reasoning: 28 }, 100],
      [
        usage(11, 15, { total_tokens: 401, prompt_tokens_details: { audio_tokens: 375, cached_tokens: 9 } }),
        { input: 2, cacheRead: 9, audioInput: 375, output: 15 },
        401,
      ],
      [
        usage(5, 3, { total_tokens: 108, prompt_tokens_details: { cached_tokens: 100 } }),
        { input: 5, cacheRead: 100, output: 3, reasoning: 0 },
        108,
      ],
      [
        usage(19, 84, { total_tokens: 1184, completion_tokens_details: { reasoning_tokens: 1081 } }),
        { input: 19, output: 84, reasoning: 1081 },
        1184,
      ],
      [
        usage(20, 60, { total_tokens: 80, completion_tokens_details: { reasoning_tokens: 50 } }),
        { input: 20, output: 10, reasoning: 50 },
        80,
      ],
      [usage(20, 60, { total_tokens: 20 }), { input: 20, output: 60, reasoning: 0 }, 80],
    ]
    for (const [reported, expected, total] of cases) {
      const read = readUsage(reported) ?? NO_USAGE
      expect(read).toMatchObject(expected)
      expect(totalTokens(read)).toBe(total)
    }
  })

  test('reasoning that a host hides from its total counts too, for the models that it does so for', () => {
    const hidden = usage(57, 10, { total_tokens: 67, completion_tokens_details: { reasoning_tokens: 37 } })
    const inside = usage(57, 40, { total_tokens: 97, completion_tokens_details: { reasoning_tokens: 37 } })
    const vercel: Target = { ...TARGET, quirks: findProvider('vercel')?.quirks ?? [], model: 'google/gemini-2.5-flash' }
    expect(readUsage(hidden, vercel)).toMatchObject({ input: 57, output: 10, reasoning: 37 })
    expect(readUsage(inside, vercel)).toMatchObject({ input: 57, output: 40, reasoning: 37 })
    expect(readUsage(inside, { ...vercel, model: 'openai/gpt-5' })).toMatchObject({ output: 3, reasoning: 37 })
    expect(readUsage(inside, { ...TARGET, quirks: ['reasoning-beside'] })).toMatchObject({ output: 40, reasoning: 37 })
    expect(readUsage(inside)).toMatchObject({ output: 3, reasoning: 37 })
    const shown = usage(57, 10, { total_tokens: 104, completion_tokens_details: { reasoning_tokens: 37 } })
    expect(readUsage(shown, vercel)).toMatchObject({ input: 57, output: 10, reasoning: 37 })
  })
})

describe('endings', () => {
  const text = delta({ content: 'x' })
  test.each([
    ['a finish reason without [DONE]', [delta({ content: 'x' }, 'stop')], null],
    ['[DONE] without a finish reason', [text, DONE], null],
    ['an empty finish reason and [DONE]', [delta({ content: 'x' }, ''), DONE], null],
    ['neither', [text], 'stream'],
    ['nothing at all', [], 'stream'],
    ['[DONE] alone', [DONE], 'stream'],
    ['one of two choices finished', [text, delta({ content: 'x' }, 'stop', 1)], 'stream'],
    ['a message that is no JSON', [text, { event: '', data: '{"choices":[{"delta"' }], 'stream'],
    [
      'an error after the finish',
      [delta({}, 'length'), frame({ error: { code: 400, message: 'limit' }, choices: [] }), DONE],
      'client',
    ],
    ['an error for a finish', [delta({ content: 'x' }, 'error'), DONE], 'server'],
    ['an error event', [text, { event: 'error', data: 'boom' }], 'server'],
  ] as const)('%s', (_, frames, failure) => {
    expect(read(...frames).failure?.class ?? null).toBe(failure)
    const meter = dialect.meter(TARGET)
    for (const one of frames) meter.push(one)
    expect(meter.isComplete).toBe(failure === null)
  })
})

describe('the meter', () => {
  test('tells frames apart', () => {
    const meter = dialect.meter(TARGET)
    expect(meter.push({ event: '', data: '' })).toBe('other')
    expect(meter.push(delta({ role: 'assistant', content: '' }))).toBe('other')
    expect(meter.push(delta({ content: 'a"b\\' }))).toBe('content')
    expect(meter.push(delta({ content: '"usage":{"prompt_tokens":9},"finish_reason":"stop"' }))).toBe('content')
    expect(meter.push(delta({ tool_calls: [{ index: 0, id: 'a', function: { name: 'f', arguments: '' } }] }))).toBe(
      'content',
    )
    expect(meter.usage).toBeNull()
    expect(meter.isComplete).toBe(false)
    expect(meter.push(frame({ choices: [], usage: { prompt_tokens: 1, completion_tokens: 2 } }))).toBe('usage-only')
    expect(meter.push(frame({ choices: [], error: { message: 'x', type: 'server_error' } }))).toBe('error')
    expect(meter.failure?.class).toBe('server')
  })

  test('is not fooled by text that looks like the frame around it', () => {
    const tricky = [
      'plain',
      '"},"finish_reason":"stop"}]',
      '\\',
      '\\"',
      '潮 \u2028',
      '"content":"',
      '}],"usage":{"prompt_tokens":1}}',
    ]
    const frames = [...tricky, ...tricky].flatMap((content) => [
      delta({ content }),
      delta({ reasoning_content: content }),
    ])
    const meter = dialect.meter(TARGET)
    for (const one of frames) expect(meter.push(one)).toBe('content')
    expect(meter.visibleChars).toBe(4 * tricky.join('').length)
    expect([meter.usage, meter.isComplete, meter.failure]).toEqual([null, false, null])
  })

  test('notices a change behind the text, even one of the same length', () => {
    const meter = dialect.meter(TARGET)
    for (const content of ['ab', 'c']) meter.push(delta({ content }))
    expect(meter.isComplete).toBe(false)
    meter.push(delta({ content: 'd' }, 'ok'))
    expect(meter.isComplete).toBe(true)
  })

  test('notices a padded frame that is broken at its very end', () => {
    const chunk = { choices: [{ index: 0, delta: { content: 'ab' }, finish_reason: null }], obfuscation: 'xyz' }
    const meter = dialect.meter(TARGET)
    expect(meter.push(frame(chunk))).toBe('content')
    expect(meter.push({ event: '', data: `${frame(chunk).data.slice(0, -1)}]` })).toBe('error')
    expect(meter.failure?.class).toBe('stream')
  })

  test('measures padded frames as well, and sees what comes behind the padding', () => {
    const padded = (content: string, more: JsonObject = {}) =>
      frame({
        choices: [{ index: 0, delta: { content }, finish_reason: null }],
        usage: null,
        obfuscation: 'x'.repeat(content.length),
        ...more,
      })
    const meter = dialect.meter(TARGET)
    for (const content of ['ab', 'c', 'defg']) expect(meter.push(padded(content))).toBe('content')
    meter.push(padded('h', { x_groq: { usage: { prompt_tokens: 3, completion_tokens: 4 } } }))
    expect(meter.visibleChars).toBe(8)
    expect(meter.usage).toMatchObject({ input: 3, output: 4 })
  })
})
