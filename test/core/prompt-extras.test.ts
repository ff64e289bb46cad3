// What of a prompt isn't text, found on each wire: pictures, sound, documents, films, tools and turns.
import { describe, expect, test } from 'vitest'
import type { JsonObject } from '../../src/core/json.ts'
import type { PromptMedia } from '../../src/core/estimate/prompt-extras.ts'
import { protocols } from '../support/registries.ts'

function extrasOf(name: 'chat' | 'messages' | 'responses' | 'completions', body: JsonObject) {
  const facts = protocols[name].facts({ model: 'm', ...body })
  if (!facts.ok) throw new Error(facts.error.message)
  return { ...facts.value.promptExtras?.(), leastOutputTokens: facts.value.leastOutputTokens }
}

const TEXT = { type: 'text', text: 'What is this?' }

describe('chat', () => {
  const mediaOf = (...parts: JsonObject[]): readonly PromptMedia[] | undefined =>
    extrasOf('chat', { messages: [{ role: 'user', content: [TEXT, ...parts] }] }).media

  test.each([
    [{ type: 'image_url', image_url: { url: 'data:image/png;base64,AAAA', detail: 'low' } }, 'image', true],
    [{ type: 'image_url', image_url: 'https://tide.example/a.png' }, 'image', false],
    [{ type: 'input_audio', input_audio: { data: 'AAAA', format: 'wav' } }, 'audio', true],
    [{ type: 'input_audio', input_audio: 'AAAA' }, 'audio', true],
    [{ type: 'file', file: { file_data: 'AAAA' } }, 'document', true],
    [{ type: 'file', file: { file_id: 'file-1' } }, 'document', false],
    [{ type: 'video_url', video_url: { url: 'https://tide.example/a.mp4' } }, 'video', false],
  ])('%j', (part, kind, isHere) => {
    const media = mediaOf(part)
    expect(media).toHaveLength(1)
    expect(media?.[0]?.kind).toBe(kind)
    expect(media?.[0]?.data !== null).toBe(isHere)
  })

  test('knows what is small, what is raw, and what is spoken', () => {
    expect(mediaOf({ type: 'image_url', image_url: { url: 'x', detail: 'low' } })).toMatchObject([{ isLow: true }])
    expect(mediaOf({ type: 'input_audio', input_audio: { data: 'A', format: 'wav' } })).toMatchObject([{ isRaw: true }])
    const messages = [{ role: 'user', content: 'Say it' }]
    expect(extrasOf('chat', { messages, modalities: ['text', 'audio'] })).toMatchObject({ isSpoken: true, turns: 1 })
    const tools = [{ type: 'function', function: { name: 'tide' } }]
    expect(extrasOf('chat', { messages, tools })).toMatchObject({ hasTools: true, isSpoken: false, media: [] })
  })
})

test('messages: results of tools hold pictures too, and documents of text are text', () => {
  const source = { type: 'base64', media_type: 'image/png', data: 'AAAA' }
  const result = { type: 'tool_result', tool_use_id: 't', content: [{ type: 'image', source }] }
  const documents = [
    { type: 'document', source: { ...source, media_type: 'application/pdf' } },
    { type: 'document', source: { type: 'text', media_type: 'text/plain', data: 'words' } },
    { type: 'document', source: { type: 'url', url: 'https://tide.example/a.pdf' } },
  ]
  const messages = [{ role: 'user', content: [result, ...documents] }]
  expect(extrasOf('messages', { max_tokens: 9, messages }).media).toEqual([
    { kind: 'image', data: 'AAAA' },
    { kind: 'document', data: 'AAAA' },
    { kind: 'document', data: null },
  ])
})

test('messages: a budget of thinking leaves room for an answer', () => {
  const messages = [{ role: 'user', content: 'Think' }]
  const thinking = { type: 'enabled', budget_tokens: 2_048 }
  expect(extrasOf('messages', { max_tokens: 4_000, messages, thinking }).leastOutputTokens).toBe(2_049)
  expect(extrasOf('messages', { max_tokens: 4_000, messages }).leastOutputTokens).toBeUndefined()
})

test('responses: what users and tools send', () => {
  const content = [
    { type: 'input_image', image_url: 'data:image/png;base64,AAAA', detail: 'low' },
    { type: 'input_file', file_url: 'https://tide.example/a.pdf' },
  ]
  const output = [{ type: 'input_image', file_id: 'file-1' }]
  const input = [
    { role: 'user', content },
    { type: 'function_call_output', call_id: 'c', output },
  ]
  expect(extrasOf('responses', { input, tools: [{ type: 'web_search' }] })).toMatchObject({
    turns: 2,
    hasTools: true,
    media: [
      { kind: 'image', data: 'data:image/png;base64,AAAA', isLow: true },
      { kind: 'document', data: null },
      { kind: 'image', data: null },
    ],
  })
})
