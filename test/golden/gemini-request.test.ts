// Chat requests and the Gemini requests that they become, side by side: the translation as a reader would check it.
import { describe, expect, test } from 'vitest'
import type { Target } from '../../src/core/directory.ts'
import { parseJson } from '../../src/core/json.ts'
import type { Json, JsonObject } from '../../src/core/json.ts'
import type { NeutralRequest } from '../../src/core/neutral.ts'
import { dialects, protocols } from '../support/registries.ts'
import { TARGET } from '../support/target.ts'

const dialect = dialects.gemini
const NO_EDITS = { model: null, forceUsage: false, maxOutputTokens: null }
const HELLO = [{ role: 'user', content: 'Hello' }]
const CONTENTS = [{ role: 'user', parts: [{ text: 'Hello' }] }]

function targetOf(model: string, settings: Target['settings'] = {}): Target {
  return { ...TARGET, dialect: 'gemini', model, settings }
}

const FLASH_2 = targetOf('gemini-2.0-flash')
const FLASH_25 = targetOf('gemini-2.5-flash')
const PRO_25 = targetOf('gemini-2.5-pro')
const FLASH_3 = targetOf('gemini-3-flash-preview')
const PRO_3 = targetOf('gemini-3.1-pro-preview')
const VERTEX = targetOf('gemini-2.5-flash', { host: 'vertex' })

function read(body: JsonObject): NeutralRequest {
  const request = protocols.chat.read({ model: 'asked', messages: HELLO, ...body })
  if (!request.ok) throw new Error(request.error.message)
  return request.value
}

function translate(body: JsonObject, target = FLASH_25, maxOutputTokens: number | null = null): Json | undefined {
  return parseJson(dialect.write(read(body), target, { ...NO_EDITS, maxOutputTokens }).body)
}

function gapsOf(body: JsonObject, target = FLASH_25): readonly string[] {
  return dialect.gaps(read(body), target).map((gap) => gap.field)
}

describe('a chat request in Gemini form', () => {
  test('the path says model and streaming, below AI Studio or a Vertex project', () => {
    const path = (body: JsonObject, target: Target): string => dialect.write(read(body), target, NO_EDITS).path
    expect(path({}, FLASH_25)).toBe('/models/gemini-2.5-flash:generateContent')
    expect(path({ stream: true }, FLASH_25)).toBe('/models/gemini-2.5-flash:streamGenerateContent?alt=sse')
    expect(path({ stream: true }, VERTEX)).toBe(
      '/publishers/google/models/gemini-2.5-flash:streamGenerateContent?alt=sse',
    )
    expect(path({}, targetOf('*'))).toBe('/models/asked:generateContent')
  })

  test('text, system and the bound', () => {
    const messages = [
      { role: 'system', content: 'Be brief.' },
      ...HELLO,
      { role: 'user', content: 'There?' },
      { role: 'developer', content: [{ type: 'text', text: 'Be kind.' }] },
      { role: 'assistant', content: 'Yes.' },
      { role: 'user', content: [{ type: 'text', text: 'Good.' }] },
    ]
    expect(translate({ messages, max_tokens: 100 }, FLASH_25, 50)).toEqual({
      systemInstruction: { parts: [{ text: 'Be brief.' }, { text: 'Be kind.' }] },
      contents: [
        { role: 'user', parts: [{ text: 'Hello' }, { text: 'There?' }] },
        { role: 'model', parts: [{ text: 'Yes.' }] },
        { role: 'user', parts: [{ text: 'Good.' }] },
      ],
      generationConfig: { maxOutputTokens: 50 },
    })
    expect(translate({})).toEqual({ contents: CONTENTS })
  })

  test('a system alone, and one that Gemma has no place for, is said by the user', () => {
    const system = { role: 'system', content: 'Be brief.' }
    expect(translate({ messages: [system] })).toEqual({ contents: [{ role: 'user', parts: [{ text: 'Be brief.' }] }] })
    expect(translate({ messages: [system, ...HELLO] }, targetOf('gemma-3-27b-it'))).toEqual({
      contents: [{ role: 'user', parts: [{ text: 'Be brief.' }, { text: 'Hello' }] }],
    })
  })

  test('settings', () => {
    const body = {
      temperature: 0.5,
      top_p: 0.9,
      top_k: 40,
      stop: ['END'],
      seed: 7,
      n: 2,
      frequency_penalty: 0.1,
      presence_penalty: 0.2,
      logprobs: true,
      top_logprobs: 3,
      service_tier: 'flex',
      user: 'u-1',
    }
    expect(translate(body)).toEqual({
      contents: CONTENTS,
      serviceTier: 'flex',
      generationConfig: {
        temperature: 0.5,
        topP: 0.9,
        topK: 40,
        stopSequences: ['END'],
        seed: 7,
        candidateCount: 2,
        frequencyPenalty: 0.1,
        presencePenalty: 0.2,
        responseLogprobs: true,
        logprobs: 3,
      },
    })
    expect(gapsOf(body)).toEqual([])
  })

  test('pictures, sounds and files, by value and by address', () => {
    const content = [
      { type: 'image_url', image_url: { url: 'data:image/png;base64,aGk=', detail: 'high' } },
      { type: 'image_url', image_url: { url: 'https://example.com/harbour.jpg?size=2' } },
    ]
    expect(translate({ messages: [{ role: 'user', content }] })).toEqual({
      contents: [
        {
          role: 'user',
          parts: [
            { inlineData: { mimeType: 'image/png', data: 'aGk=' } },
            { fileData: { mimeType: 'image/jpeg', fileUri: 'https://example.com/harbour.jpg?size=2' } },
          ],
        },
      ],
    })
  })

  test('tools and the choice among them', () => {
    const parameters = { type: 'object', properties: { port: { type: 'string' } }, additionalProperties: false }
    const tide = { type: 'function', function: { name: 'tide', description: 'Tides', parameters } }
    const tools = [tide, { type: 'function', function: { name: 'now' } }]
    const declared = [
      {
        functionDeclarations: [
          { name: 'tide', description: 'Tides', parametersJsonSchema: parameters },
          { name: 'now', description: '' },
        ],
      },
    ]
    const config = (mode: string, names?: readonly string[]): JsonObject => ({
      functionCallingConfig: { mode, ...(names === undefined ? {} : { allowedFunctionNames: names }) },
    })
    expect(translate({ tools })).toEqual({ contents: CONTENTS, tools: declared })
    expect(translate({ tools, tool_choice: 'auto' })).toMatchObject({ toolConfig: config('AUTO') })
    expect(translate({ tools, tool_choice: 'none' })).toMatchObject({ toolConfig: config('NONE') })
    expect(translate({ tools, tool_choice: 'required' })).toMatchObject({ toolConfig: config('ANY') })
    const named = { type: 'function', function: { name: 'now' } }
    expect(translate({ tools, tool_choice: named })).toMatchObject({ toolConfig: config('ANY', ['now']) })
    const strict = [{ ...tide, function: { ...tide.function, strict: true } }]
    expect(translate({ tools: strict })).toMatchObject({ toolConfig: config('VALIDATED') })
    expect(gapsOf({ tools: strict })).toEqual([])
    expect(gapsOf({ tools: strict }, FLASH_2)).toEqual(['tools.function.strict'])
    expect(gapsOf({ tools, parallel_tool_calls: false })).toEqual(['parallel_tool_calls'])
    expect(gapsOf({ tool_choice: 'required' })).toEqual(['tool_choice'])
  })

  test('a conversation with tools: results find their calls, and lead their turn', () => {
    const call = (id: string, port: string): JsonObject => ({
      id,
      type: 'function',
      function: { name: 'tide', arguments: JSON.stringify({ port }) },
    })
    const messages = [
      ...HELLO,
      { role: 'assistant', content: null, tool_calls: [call('k1', 'Husum'), call('call_r1_0_1', 'Büsum')] },
      { role: 'user', content: 'Quick!' },
      { role: 'tool', tool_call_id: 'k1', content: 'six' },
      { role: 'tool', tool_call_id: 'call_r1_0_1', content: 'seven' },
    ]
    const calls = [
      { functionCall: { id: 'k1', name: 'tide', args: { port: 'Husum' } } },
      { functionCall: { name: 'tide', args: { port: 'Büsum' } } },
    ]
    const results = {
      role: 'user',
      parts: [
        { functionResponse: { id: 'k1', name: 'tide', response: { output: 'six' } } },
        { functionResponse: { name: 'tide', response: { output: 'seven' } } },
        { text: 'Quick!' },
      ],
    }
    expect(translate({ messages })).toEqual({ contents: [...CONTENTS, { role: 'model', parts: calls }, results] })
    const [first, second] = calls
    const signed = [{ ...first, thoughtSignature: 'skip_thought_signature_validator' }, second]
    expect(translate({ messages }, PRO_3)).toEqual({
      contents: [...CONTENTS, { role: 'model', parts: signed }, results],
    })
  })

  test('formats', () => {
    const schema = { type: 'object', properties: { height: { type: 'number' } }, required: ['height'] }
    const format = { type: 'json_schema', json_schema: { name: 'tide', schema, strict: true } }
    expect(translate({ response_format: format })).toEqual({
      contents: CONTENTS,
      generationConfig: { responseMimeType: 'application/json', responseJsonSchema: schema },
    })
    expect(translate({ response_format: { type: 'json_object' } })).toEqual({
      contents: CONTENTS,
      generationConfig: { responseMimeType: 'application/json' },
    })
    const tools = [{ type: 'function', function: { name: 'now' } }]
    expect(gapsOf({ response_format: format, tools })).toEqual(['response_format'])
    expect(gapsOf({ response_format: format, tools }, FLASH_3)).toEqual([])
  })

  test.each([
    ['low', FLASH_25, { includeThoughts: true, thinkingBudget: 1024 }],
    ['medium', FLASH_25, { includeThoughts: true, thinkingBudget: 8192 }],
    ['high', PRO_25, { includeThoughts: true, thinkingBudget: 24_576 }],
    ['xhigh', PRO_25, { includeThoughts: true, thinkingBudget: 32_768 }],
    ['max', FLASH_25, { includeThoughts: true, thinkingBudget: 24_576 }],
    ['none', FLASH_25, { thinkingBudget: 0 }],
    ['minimal', FLASH_3, { includeThoughts: true, thinkingLevel: 'MINIMAL' }],
    ['minimal', PRO_3, { includeThoughts: true, thinkingLevel: 'LOW' }],
    ['medium', PRO_3, { includeThoughts: true, thinkingLevel: 'MEDIUM' }],
    ['xhigh', FLASH_3, { includeThoughts: true, thinkingLevel: 'HIGH' }],
    ['none', FLASH_3, { thinkingLevel: 'MINIMAL' }],
    ['low', targetOf('gemini-flash-latest'), { includeThoughts: true, thinkingLevel: 'LOW' }],
    ['low', targetOf('tunedModels/lighthouse'), { includeThoughts: true, thinkingBudget: 1024 }],
  ] as const)('effort %s', (effort, target, thinkingConfig) => {
    expect(translate({ reasoning_effort: effort }, target)).toEqual({
      contents: CONTENTS,
      generationConfig: { thinkingConfig },
    })
  })

  test('thinking that a model does not do, or cannot leave, is a gap', () => {
    expect(gapsOf({ reasoning_effort: 'low' }, FLASH_2)).toEqual(['reasoning_effort'])
    expect(gapsOf({ reasoning_effort: 'none' }, FLASH_2)).toEqual([])
    expect(gapsOf({ reasoning_effort: 'none' }, PRO_25)).toEqual(['reasoning_effort'])
    expect(gapsOf({ reasoning_effort: 'none' }, PRO_3)).toEqual(['reasoning_effort'])
    expect(gapsOf({ reasoning_effort: 'none' }, FLASH_3)).toEqual([])
    expect(gapsOf({ reasoning_effort: 'furious' })).toEqual(['reasoning_effort'])
    expect(translate({ reasoning_effort: 'low' }, FLASH_2)).toEqual({ contents: CONTENTS })
  })

  test('voices, pictures and settings under their own names', () => {
    expect(translate({ modalities: ['text', 'audio'], audio: { voice: 'Kore', format: 'pcm16' } })).toEqual({
      contents: CONTENTS,
      generationConfig: {
        responseModalities: ['AUDIO'],
        speechConfig: { voiceConfig: { prebuiltVoiceConfig: { voiceName: 'Kore' } } },
      },
    })
    expect(translate({ modalities: ['text', 'image'] })).toMatchObject({
      generationConfig: { responseModalities: ['TEXT', 'IMAGE'] },
    })
    expect(translate({ modalities: ['text'] })).toEqual({ contents: CONTENTS })
    expect(translate({ modalities: ['audio', { toString: 1 }] })).toMatchObject({
      generationConfig: { responseModalities: ['AUDIO'] },
    })
    expect(gapsOf({ modalities: ['text', 'audio'], audio: { voice: 'Kore', format: 'mp3' } })).toEqual(['audio'])
    const own = { cached_content: 'cachedContents/1', safetySettings: [], mediaResolution: 'MEDIA_RESOLUTION_LOW' }
    expect(translate(own)).toEqual({
      cachedContent: 'cachedContents/1',
      safetySettings: [],
      contents: CONTENTS,
      generationConfig: { mediaResolution: 'MEDIA_RESOLUTION_LOW' },
    })
    expect(gapsOf({ ...own, labels: { team: 'tide' } })).toEqual(['labels'])
    expect(gapsOf({ ...own, labels: { team: 'tide' } }, VERTEX)).toEqual([])
  })

  test('what it cannot carry is named', () => {
    const body = { logit_bias: { 7: 1 }, verbosity: 'low', metadata: { a: 'b' }, modalities_of: ['x'] }
    expect(gapsOf(body)).toEqual(['logit_bias', 'verbosity', 'modalities_of'])
    expect(gapsOf({ seed: 2 ** 40, stop: ['1', '2', '3', '4', '5', '6'] })).toEqual(['stop', 'seed'])
    expect(gapsOf({ messages: [{ role: 'user', name: 'Ada', content: 'Hi' }] })).toEqual(['messages.name'])
    expect(gapsOf({ service_tier: 'scale' })).toEqual(['service_tier'])
  })

  test('the search of any wire is Google’s, unless it is bounded', () => {
    expect(translate({ web_search_options: {} })).toEqual({ contents: CONTENTS, tools: [{ googleSearch: {} }] })
    expect(gapsOf({ web_search_options: {} })).toEqual([])
    expect(gapsOf({ web_search_options: { user_location: { type: 'approximate' } } })).toHaveLength(1)
    const tools = [{ type: 'function', function: { name: 'now' } }]
    expect(gapsOf({ web_search_options: {}, tools })).toHaveLength(1)
    expect(gapsOf({ web_search_options: {}, tools }, FLASH_3)).toEqual([])
    expect(translate({ web_search_options: {}, tools }, FLASH_3)).toEqual({
      contents: CONTENTS,
      tools: [{ functionDeclarations: [{ name: 'now', description: '' }] }, { googleSearch: {} }],
      toolConfig: { includeServerSideToolInvocations: true },
    })
  })
})

describe('a messages request in Gemini form', () => {
  test('thoughts, calls, results, documents and settings', () => {
    const thinking = { type: 'thinking', thinking: 'Hm.', signature: 'tg1.gemini.dGlkZQ==' }
    const foreign = { type: 'thinking', thinking: 'Hm?', signature: 'Zm9yZWlnbg==' }
    const read = protocols.messages.read({
      model: 'asked',
      max_tokens: 2000,
      stop_sequences: ['END'],
      thinking: { type: 'enabled', budget_tokens: 1500 },
      system: [{ type: 'text', text: 'Be brief.', cache_control: { type: 'ephemeral' } }],
      tools: [{ name: 'camera', input_schema: { type: 'object', properties: {} } }],
      tool_choice: { type: 'auto' },
      messages: [
        {
          role: 'user',
          content: [
            { type: 'document', source: { type: 'base64', media_type: 'application/pdf', data: 'JVBERg==' } },
            { type: 'text', text: 'What is on it?' },
          ],
        },
        {
          role: 'assistant',
          content: [thinking, foreign, { type: 'tool_use', id: 'toolu_1', name: 'camera', input: {} }],
        },
        {
          role: 'user',
          content: [
            {
              type: 'tool_result',
              tool_use_id: 'toolu_1',
              content: [{ type: 'image', source: { type: 'base64', media_type: 'image/png', data: 'aGk=' } }],
            },
          ],
        },
      ],
    })
    if (!read.ok) throw new Error(read.error.message)
    expect(dialect.gaps(read.value, FLASH_3)).toEqual([])
    expect(parseJson(dialect.write(read.value, FLASH_3, NO_EDITS).body)).toEqual({
      systemInstruction: { parts: [{ text: 'Be brief.' }] },
      contents: [
        {
          role: 'user',
          parts: [{ inlineData: { mimeType: 'application/pdf', data: 'JVBERg==' } }, { text: 'What is on it?' }],
        },
        {
          role: 'model',
          parts: [
            { text: 'Hm.', thought: true, thoughtSignature: 'dGlkZQ==' },
            {
              functionCall: { id: 'toolu_1', name: 'camera', args: {} },
              thoughtSignature: 'skip_thought_signature_validator',
            },
          ],
        },
        {
          role: 'user',
          parts: [
            {
              functionResponse: {
                id: 'toolu_1',
                name: 'camera',
                response: { output: '' },
                parts: [{ inlineData: { mimeType: 'image/png', data: 'aGk=' } }],
              },
            },
          ],
        },
      ],
      tools: [
        {
          functionDeclarations: [
            { name: 'camera', description: '', parametersJsonSchema: { type: 'object', properties: {} } },
          ],
        },
      ],
      toolConfig: { functionCallingConfig: { mode: 'AUTO' } },
      generationConfig: {
        maxOutputTokens: 2000,
        stopSequences: ['END'],
        thinkingConfig: { includeThoughts: true, thinkingBudget: 1500 },
      },
    })
  })
})
