// The older completions: what is read of a request, what goes to whom, and what a client gets back.
import { describe, expect, test } from 'vitest'
import { parseJson } from '../../src/core/json.ts'
import type { Json, JsonObject } from '../../src/core/json.ts'
import { dialects, protocols } from '../support/registries.ts'
import { foreign } from '../support/chat-writing.ts'
import { TARGET } from '../support/target.ts'

const { completions } = protocols
const dialect = dialects['openai-completions']
const NO_EDITS = { model: null, forceUsage: false, maxOutputTokens: null }

function factsOf(body: JsonObject) {
  const facts = completions.facts({ model: 'm', prompt: 'The tide', ...body })
  return facts.ok ? facts.value : facts.error.field
}

function read(body: JsonObject) {
  const request = completions.read({ model: 'asked', prompt: 'The tide', ...body })
  if (!request.ok) throw new Error(request.error.message)
  return request.value
}

describe('a request', () => {
  test.each<readonly [JsonObject, string]>([
    [{ model: 7 }, 'model'],
    [{ prompt: null }, 'prompt'],
    [{ prompt: [] }, 'prompt'],
    [{ prompt: ['a', 1] }, 'prompt'],
    [{ prompt: [[1], ['a']] }, 'prompt'],
    [{ prompt: { a: 1 } }, 'prompt'],
    [{ max_tokens: -1 }, 'max_tokens'],
    [{ logprobs: true }, 'logprobs'],
    [{ best_of: 1.5 }, 'best_of'],
    [{ n: 0 }, 'n'],
    [{ stream: 'yes' }, 'stream'],
  ])('%j is refused for its %s', (body, field) => {
    expect(factsOf(body)).toBe(field)
  })

  test.each<readonly [JsonObject, JsonObject]>([
    [{}, { choices: 1, maxOutputTokens: null, cacheability: 'cacheable', isStreamed: false }],
    [
      { prompt: ['a'], temperature: 0 },
      { choices: 1, cacheability: 'deterministic' },
    ],
    [
      { prompt: ['a', 'b', 'c'], n: 2 },
      { choices: 6, cacheability: 'never' },
    ],
    [{ prompt: [1, 2, 3] }, { choices: 1, cacheability: 'never' }],
    [{ prompt: [[1], [2]], best_of: 4, n: 2 }, { choices: 8 }],
    [
      { max_tokens: 0, echo: true },
      { maxOutputTokens: 0, cacheability: 'never' },
    ],
    [{ logprobs: 0 }, { cacheability: 'never' }],
    [
      { stream: true, stream_options: { include_usage: true }, user: 'u' },
      { isStreamed: true, wantsUsage: true, endUser: 'u' },
    ],
  ])('%j: %j', (body, expected) => {
    expect(factsOf(body)).toMatchObject(expected)
  })

  test('a prompt that is one text is a user’s message for a chat model', () => {
    const body = {
      prompt: ['The tide'],
      max_tokens: 9,
      stop: '\n',
      temperature: 0.5,
      logprobs: 2,
      user: 'u',
      echo: false,
      best_of: 1,
    }
    const chat = dialects['openai-chat']
    expect(chat.gaps(read(body), TARGET)).toEqual([])
    expect(parseJson(chat.write(read(body), TARGET, NO_EDITS).body)).toEqual({
      model: TARGET.model,
      messages: [{ role: 'user', content: 'The tide' }],
      max_completion_tokens: 9,
      stop: ['\n'],
      temperature: 0.5,
      logprobs: true,
      top_logprobs: 2,
      user: 'u',
    })
  })

  test.each<readonly [JsonObject, readonly string[]]>([
    [{ prompt: ['a', 'b'] }, ['prompt']],
    [{ prompt: [1, 2] }, ['prompt']],
    [{ echo: true, suffix: '.', best_of: 2, min_p: 1 }, ['echo', 'suffix', 'best_of', 'min_p']],
    [{ suffix: '', logprobs: null }, []],
  ])('%j lacks %j anywhere but on its own wire', (body, gaps) => {
    expect(dialects['openai-chat'].gaps(read(body), TARGET).map(({ field }) => field)).toEqual(gaps)
    expect(dialects['anthropic-messages'].gaps(read(body), TARGET).map(({ field }) => field)).toEqual(gaps)
    expect(dialect.gaps(read(body), TARGET)).toEqual([])
  })

  test('on its own wire it is what it was', () => {
    const body = {
      prompt: [[1, 2], [3]],
      echo: true,
      suffix: '.',
      best_of: 2,
      max_tokens: 9,
      logprobs: 0,
      logit_bias: { '7': 1 },
      seed: 7,
      stream: true,
      min_p: 1,
    }
    expect(parseJson(dialect.write(read(body), TARGET, NO_EDITS).body)).toEqual({
      ...body,
      model: TARGET.model,
      stream_options: { include_usage: true },
    })
  })

  test('a bound is put in or lowered under its only name, and usage asked for', () => {
    const edit = (body: JsonObject): Json | undefined => {
      const whole = { model: 'm', prompt: 'x', ...body }
      return parseJson(
        dialect.edit(JSON.stringify(whole), whole, { model: null, forceUsage: true, maxOutputTokens: 5 }, TARGET).body,
      )
    }
    expect(edit({})).toEqual({ model: 'm', prompt: 'x', max_tokens: 5 })
    expect(edit({ max_tokens: 9 })).toMatchObject({ max_tokens: 5 })
    expect(edit({ max_tokens: 3, stream: true })).toEqual({
      model: 'm',
      prompt: 'x',
      max_tokens: 3,
      stream: true,
      stream_options: { include_usage: true },
    })
  })

  test('a conversation takes more than one text: a single question goes, the rest is a gap', () => {
    const text = { kind: 'text' as const, text: 'The tide' }
    expect(dialect.gaps(foreign({}, text), TARGET)).toEqual([])
    expect(parseJson(dialect.write(foreign({ maxOutputTokens: 9 }, text), TARGET, NO_EDITS).body)).toEqual({
      model: TARGET.model,
      prompt: 'The tide',
      max_tokens: 9,
    })
    const fields = (request: ReturnType<typeof foreign>) => dialect.gaps(request, TARGET).map(({ field }) => field)
    const turns = [
      { role: 'system' as const, parts: [text] },
      { role: 'user' as const, parts: [text] },
    ]
    expect(fields(foreign({ messages: turns }))).toEqual(['messages'])
    expect(fields(foreign({ tools: [{ name: 'tide', parameters: null }] }))).toEqual(['tools'])
    expect(fields(foreign({}, { kind: 'image', source: { kind: 'url', url: 'https://a.example' } }))).toEqual([
      'messages',
    ])
    expect(fields(foreign({ reasoning: { effort: 'high' }, responseFormat: { kind: 'json-object' } }))).toEqual([
      'response_format',
      'reasoning_effort',
    ])
  })
})

describe('a reply', () => {
  const CONTEXT = { id: 'cmpl-1', createdSeconds: 1, model: 'm', wantsUsage: false, request: {} }

  test('a refusal is text that ends as filtered; reasoning and calls are not shown', () => {
    const reply = {
      id: 'x',
      model: 'm',
      createdSeconds: 1,
      choices: [
        {
          parts: [
            { kind: 'reasoning' as const, text: 'Hm.' },
            { kind: 'refusal' as const, text: 'No.' },
          ],
          finish: 'stop' as const,
        },
        {
          parts: [{ kind: 'tool-call' as const, id: 'a', name: 'tide', argumentsText: '{}' }],
          finish: 'tool-calls' as const,
        },
      ],
      usage: null,
      failure: null,
    }
    expect(completions.write(reply, CONTEXT)).toEqual({
      id: 'cmpl-1',
      object: 'text_completion',
      created: 1,
      model: 'm',
      choices: [
        { text: 'No.', index: 0, logprobs: null, finish_reason: 'content_filter' },
        { text: '', index: 1, logprobs: null, finish_reason: 'stop' },
      ],
    })
  })

  test('offsets of tokens go on through a stream', () => {
    const writer = completions.writer(CONTEXT)
    const told = ['High', ' tide'].map((token) =>
      writer.push({ type: 'logprobs', choice: 0, tokens: [{ token, logprob: -1 }] }),
    )
    expect(told.map((text) => /"text_offset":\[(\d+)\]/.exec(text)?.[1])).toEqual(['0', '4'])
  })

  test('a chunk of nothing but usage is told apart from one that says something', () => {
    const meter = dialect.meter(TARGET)
    const frame = (body: JsonObject) => ({ event: '', data: JSON.stringify(body) })
    const usage = { prompt_tokens: 1, completion_tokens: 2 }
    expect(meter.push(frame({ choices: [{ index: 0, text: '"choices":[]', finish_reason: null }], usage }))).toBe(
      'content',
    )
    expect(
      meter.push(
        frame({ choices: [{ index: 0, text: '', finish_reason: 'stop' }], usage: { ...usage, completion_tokens: 3 } }),
      ),
    ).toBe('other')
    expect(meter.push(frame({ choices: [], usage: { ...usage, completion_tokens: 4 } }))).toBe('usage-only')
    expect([meter.usage?.output, meter.isComplete, meter.isTerminated]).toEqual([4, true, false])
  })
})

test('a token that is no text has none in the older form', () => {
  const said = { type: 'logprobs' as const, choice: 0, tokens: [{ token: { toString: 1 }, logprob: -1 }] }
  const context = { id: 'r', createdSeconds: 1, model: 'm', wantsUsage: false, request: {} }
  const text = completions.writer(context).push(said)
  expect(text).toContain('"tokens":[""]')
})
