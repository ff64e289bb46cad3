// What replies of the chat wire hold besides text and calls: sound, pictures, sources, probabilities, signatures; and the
// empty shells of them that some servers send.
import { describe, expect, test } from 'vitest'
import { fold } from '../../src/core/reply/fold.ts'
import type { Json, JsonObject } from '../../src/core/json.ts'
import type { NeutralReply } from '../../src/core/neutral.ts'
import { dialects } from '../support/registries.ts'
import { TARGET } from '../support/target.ts'

const dialect = dialects['openai-chat']
const DONE = { event: '', data: '[DONE]' }

function frame(chunk: JsonObject) {
  return { event: '', data: JSON.stringify({ id: 'chatcmpl-1', model: 'm', created: 1, ...chunk }) }
}

function delta(value: JsonObject, finish: string | null = null, more: JsonObject = {}) {
  return frame({ choices: [{ index: 0, delta: value, finish_reason: finish, ...more }] })
}

function read(...frames: readonly { event: string; data: string }[]): NeutralReply {
  const reader = dialect.reader(TARGET)
  return fold([...frames.flatMap((one) => reader.push(one)), ...reader.end()])
}

function whole(message: JsonObject, more: JsonObject = {}): NeutralReply {
  return fold(dialect.read({ id: 'x', choices: [{ index: 0, message, finish_reason: 'stop' }], ...more }, TARGET))
}

const partsOf = (reply: NeutralReply) => reply.choices[0]?.parts

describe('shells', () => {
  test('empty sound, an empty function, an empty custom call and empty probabilities are nothing', () => {
    const call = {
      id: 'a',
      type: 'function',
      function: { name: 'tide', arguments: '{}' },
      custom: { name: '', input: '' },
    }
    const message = {
      content: 'Hi',
      refusal: '',
      annotations: null,
      audio: { id: '', data: '', transcript: '', expires_at: 0 },
      function_call: { name: '', arguments: '' },
      tool_calls: [call],
    }
    const reply = fold(
      dialect.read({ choices: [{ message, logprobs: { content: null, refusal: null }, finish_reason: '' }] }, TARGET),
    )
    expect(reply.choices).toEqual([
      {
        parts: [
          { kind: 'text', text: 'Hi' },
          { kind: 'tool-call', id: 'a', name: 'tide', argumentsText: '{}' },
        ],
        finish: 'tool-calls',
        isAssumed: true,
      },
    ])
  })
})

describe('sound and pictures', () => {
  test('sound comes in pieces under one id, with its words', () => {
    const pieces = [
      { id: 'audio_1' },
      { transcript: 'Hi' },
      { data: 'aGk=' },
      { transcript: ' there', data: 'Zm9v' },
      { expires_at: 9 },
    ]
    const reply = read(...pieces.map((audio) => delta({ audio })), delta({}, 'stop'), DONE)
    const source = { kind: 'base64', mediaType: '', data: 'aGk=Zm9v' }
    expect(partsOf(reply)).toEqual([{ kind: 'audio', source, id: 'audio_1', transcript: 'Hi there' }])
  })

  test('pictures, by address and by value, behind the text; one that is neither is none', () => {
    const images = [
      { image_url: { url: 'data:image/png;base64,aGk=' } },
      { image_url: 'https://a.example/b.png' },
      { image_url: { url: 'data:,x' } },
      {},
    ]
    expect(partsOf(whole({ content: 'See', images }))).toEqual([
      { kind: 'text', text: 'See' },
      { kind: 'image', source: { kind: 'base64', mediaType: 'image/png', data: 'aGk=' } },
      { kind: 'image', source: { kind: 'url', url: 'https://a.example/b.png' } },
    ])
  })

  test('the meter counts the words of sound and takes a picture for content', () => {
    const meter = dialect.meter(TARGET)
    expect(meter.push(delta({ audio: { transcript: 'Hi' } }))).toBe('content')
    expect(meter.push(delta({ images: [{ image_url: { url: 'https://a.example' } }] }))).toBe('content')
    expect(meter.push(delta({ annotations: [{ type: 'url_citation', url_citation: { url: 'u' } }] }))).toBe('other')
    expect(meter.visibleChars).toBe(2)
  })
})

describe('sources', () => {
  const cited = (url: string) => ({
    type: 'url_citation',
    url_citation: { url, title: 'T', start_index: 1, end_index: 2, content: 'C' },
  })
  const citation = (url: string) => ({ url, title: 'T', citedText: 'C', start: 1, end: 2 })

  test('annotations belong to the text, also where they come behind it', () => {
    const reply = read(
      delta({ content: 'Six.' }),
      delta({ annotations: [cited('a')] }),
      delta({ annotations: [cited('b')] }, 'stop'),
      DONE,
    )
    expect(partsOf(reply)).toEqual([{ kind: 'text', text: 'Six.', citations: [citation('a'), citation('b')] }])
    const other = { type: 'file_citation', file_citation: { file_id: 'f' } }
    expect(partsOf(whole({ content: 'x', annotations: [other, 7] }))).toEqual([
      { kind: 'text', text: 'x', citations: [{ wire: 'openai-chat', value: other }] },
    ])
  })

  test('a list beside the choices, repeated in every chunk, is told once, and not what is annotated already', () => {
    const beside = {
      citations: ['a', 'b'],
      search_results: [{ url: 'a', title: 'A', snippet: 'S' }, { url: 'b' }, { title: 'none' }],
    }
    const chunk = (value: JsonObject, finish: string | null = null) =>
      frame({ choices: [{ index: 0, delta: value, finish_reason: finish }], ...beside })
    const reply = read(
      chunk({ role: 'assistant' }),
      chunk({ content: 'Si' }),
      chunk({ content: 'x.' }),
      chunk({}, 'stop'),
    )
    expect(partsOf(reply)).toEqual([
      { kind: 'text', text: 'Six.', citations: [{ url: 'a', title: 'A', citedText: 'S' }, { url: 'b' }] },
    ])
    const annotated = whole({ content: 'x', annotations: [cited('a')] }, { citations: ['a', 'c'] })
    expect(partsOf(annotated)).toEqual([{ kind: 'text', text: 'x', citations: [citation('a'), { url: 'c' }] }])
  })
})

describe('probabilities', () => {
  const token = (text: string) => ({ token: text, logprob: -0.5, bytes: null, top_logprobs: [] })

  test('of content and of a refusal, in a stream in the order in which they come', () => {
    const reply = read(
      delta({ content: 'a' }, null, { logprobs: { content: [token('a')], refusal: null } }),
      delta({ content: 'b' }, 'stop', { logprobs: { content: [token('b')] } }),
      DONE,
    )
    expect(reply.choices[0]?.logprobs).toEqual([token('a'), token('b')])
    const refused = delta({ refusal: 'No' }, 'stop', { logprobs: { content: null, refusal: [token('No')] } })
    expect(read(refused, DONE).choices[0]?.logprobs).toEqual([token('No')])
  })

  test('in the older form as well, the first of an echo without one', () => {
    const logprobs = {
      tokens: ['a', 'b'],
      token_logprobs: [null, -1],
      top_logprobs: [null, { b: -1, c: -2 }],
      text_offset: [0, 1],
    }
    const top = [
      { token: 'b', logprob: -1, bytes: null },
      { token: 'c', logprob: -2, bytes: null },
    ]
    expect(read(delta({ content: 'ab' }, 'stop', { logprobs }), DONE).choices[0]?.logprobs).toEqual([
      { token: 'a', logprob: null, bytes: null, top_logprobs: [] },
      { token: 'b', logprob: -1, bytes: null, top_logprobs: top },
    ])
  })
})

describe('signatures', () => {
  const text = (words: string, more: JsonObject = {}) => ({ type: 'reasoning.text', text: words, index: 0, ...more })

  test.each<readonly [Json, string | null]>([
    ['anthropic-claude-v1', 'anthropic'],
    ['google-gemini-v1', 'gemini'],
    ['openai-responses-v1', 'openai-responses'],
    ['xai-responses-v1', 'xai-responses-v1'],
    ['unknown', null],
    [null, null],
  ])('a format of %s is a maker of %s', (format, maker) => {
    const reply = whole({ reasoning_details: [text('Hm.', { signature: 's', format })] })
    expect(partsOf(reply)).toEqual([{ kind: 'reasoning', text: 'Hm.', signature: { maker, value: 's' } }])
  })

  test('what follows a signature is another block; what follows none goes on', () => {
    const details = (...reasoning_details: readonly JsonObject[]) => delta({ reasoning_details })
    const reply = read(
      details(text('a')),
      details(text('b')),
      details({ type: 'reasoning.text', signature: 's', index: 0 }),
      details(text('c', { index: 1 })),
      delta({ content: 'x' }, 'stop'),
      DONE,
    )
    expect(partsOf(reply)).toEqual([
      { kind: 'reasoning', text: 'ab', signature: { maker: null, value: 's' } },
      { kind: 'reasoning', text: 'c' },
      { kind: 'text', text: 'x' },
    ])
  })

  test('an encrypted block of the same number is the reasoning before it, of another number its own', () => {
    const seal = (index: number) => ({
      type: 'reasoning.encrypted',
      data: 'e',
      id: 'rs_1',
      format: 'openai-responses-v1',
      index,
    })
    const redacted = { maker: 'openai-responses', value: 'e', itemId: 'rs_1' }
    expect(partsOf(whole({ reasoning_details: [text('a'), seal(0)] }))).toEqual([
      { kind: 'reasoning', text: 'a', redacted },
    ])
    expect(partsOf(whole({ reasoning_details: [text('a'), seal(1)] }))).toEqual([
      { kind: 'reasoning', text: 'a' },
      { kind: 'reasoning', text: '', redacted },
    ])
  })

  test('a call gets its signature before it, after it, beside it; what names no call stands for itself', () => {
    const seal = {
      reasoning_details: [{ type: 'reasoning.encrypted', data: 'e', id: 'a', format: 'google-gemini-v1', index: 0 }],
    }
    const begun = { index: 0, id: 'a', function: { name: 'tide', arguments: '{}' } }
    const signature = { maker: 'gemini', value: 'e' }
    const signed = [{ kind: 'tool-call', id: 'a', name: 'tide', argumentsText: '{}', signature }]
    const call = delta({ tool_calls: [begun] })
    expect(partsOf(read(delta(seal), call, delta({}, 'stop'), DONE))).toEqual(signed)
    expect(partsOf(read(call, delta(seal), delta({}, 'stop'), DONE))).toEqual(signed)
    const extra_content = { google: { thought_signature: 'e' } }
    expect(partsOf(read(delta({ tool_calls: [{ ...begun, extra_content }] }, 'stop'), DONE))).toEqual(signed)
    expect(partsOf(read(call, delta({ tool_calls: [{ index: 0, extra_content }] }, 'stop'), DONE))).toEqual(signed)
    expect(partsOf(read(delta(seal), delta({ content: 'x' }, 'stop'), DONE))).toEqual([
      { kind: 'text', text: 'x' },
      { kind: 'reasoning', text: '', redacted: signature },
    ])
  })

  test('a text has its own', () => {
    const extra_content = { google: { thought_signature: 'e' } }
    expect(partsOf(whole({ content: 'x', extra_content }))).toEqual([
      { kind: 'text', text: 'x', signature: { maker: 'gemini', value: 'e' } },
    ])
  })
})

describe('facts of a reply', () => {
  test('free-form calls are told from functions, whole and in pieces', () => {
    const custom = { id: 'a', type: 'custom', custom: { name: 'code', input: 'print 1' } }
    const expected = [{ kind: 'tool-call', id: 'a', name: 'code', argumentsText: 'print 1', isCustom: true }]
    expect(partsOf(whole({ tool_calls: [custom] }))).toEqual(expected)
    const reply = read(
      delta({ tool_calls: [{ index: 0, id: 'a', type: 'custom', custom: { name: 'code', input: '' } }] }),
      delta({ tool_calls: [{ index: 0, custom: { input: 'print 1' } }] }, 'tool_calls'),
      DONE,
    )
    expect(partsOf(reply)).toEqual(expected)
  })

  test('the tier, and the sequence that ended it where that is what ended it', () => {
    expect(whole({ content: 'x' }, { service_tier: 'flex' }).serviceTier).toBe('flex')
    const ended = (finish: string, more: JsonObject) =>
      read(delta({ content: 'x' }, finish, more), DONE).choices[0]?.stopSequence
    expect(ended('stop', { stop_reason: 'END' })).toBe('END')
    expect(ended('stop', { matched_stop: '\n' })).toBe('\n')
    expect(ended('stop', { stop_reason: 128_009 })).toBeUndefined()
    expect(ended('stop', { stop_reason: 'end_turn' })).toBeUndefined()
    expect(ended('length', { stop_reason: 'END' })).toBeUndefined()
  })

  test.each<readonly [JsonObject, JsonObject]>([
    [
      { prompt_tokens: 10, completion_tokens: 1, cache_read_input_tokens: 4, cache_creation_input_tokens: 3 },
      { input: 3, cacheRead: 4, cacheWrite: 3 },
    ],
    [
      { prompt_tokens: 10, completion_tokens: 1, num_cached_tokens: 4 },
      { input: 6, cacheRead: 4 },
    ],
    [
      { prompt_tokens: 10, completion_tokens: 1, prompt_cache_hit_tokens: 4 },
      { input: 6, cacheRead: 4 },
    ],
    [
      {
        prompt_tokens: 10,
        completion_tokens: 1,
        prompt_tokens_details: { cache_write_tokens: 5 },
        cache_creation: { ephemeral_1h_input_tokens: 2 },
      },
      { input: 5, cacheWrite: 3, cacheWriteLong: 2 },
    ],
    [
      { prompt_tokens: 10, completion_tokens: 1, cache_creation: { ephemeral_1h_input_tokens: 2 } },
      { input: 10, cacheWriteLong: 0 },
    ],
  ])('usage %j: %j', (usage, expected) => {
    expect(whole({ content: 'x' }, { usage }).usage).toMatchObject(expected)
  })
})
