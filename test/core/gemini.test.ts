// What Gemini's codec promises beyond the contract: signatures come back where they were, any part finds its place, schemas
// are what the API takes, usage adds up, embeddings and token counts are asked for as documented.
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Target } from '../../src/core/directory.ts'
import { fold } from '../../src/core/reply/fold.ts'
import { parseJson } from '../../src/core/json.ts'
import type { Json, JsonObject } from '../../src/core/json.ts'
import type { NeutralMessage, NeutralPart, NeutralRequest } from '../../src/core/neutral.ts'
import { totalTokens } from '../../src/core/money/usage.ts'
import { geminiSchema } from '../../src/dialects/gemini/schema.ts'
import { gemini, geminiCountTokensCall } from '../../src/dialects/gemini/index.ts'
import { readGeminiEmbeddings, writeGeminiEmbeddings } from '../../src/wire/gemini-embeddings.ts'
import { readGeminiFinish, readGeminiUsage } from '../../src/wire/gemini.ts'
import { arrayOf, objectOf } from '../../src/wire/read.ts'
import { TARGET } from '../support/target.ts'

const NO_EDITS = { model: null, forceUsage: false, maxOutputTokens: null }
const PRO_3: Target = { ...TARGET, dialect: 'gemini', model: 'gemini-3.1-pro-preview' }
const FLASH_25: Target = { ...TARGET, dialect: 'gemini', model: 'gemini-2.5-flash' }
const VERTEX: Target = { ...PRO_3, settings: { host: 'vertex' } }

function requestOf(messages: readonly NeutralMessage[], more: Partial<NeutralRequest> = {}): NeutralRequest {
  return { model: 'asked', stream: false, includeUsage: false, messages, tools: [], extra: {}, ...more }
}

function contentsOf(messages: readonly NeutralMessage[], target = PRO_3): readonly JsonObject[] {
  const body = objectOf(parseJson(gemini.write(requestOf(messages), target, NO_EDITS).body))
  return arrayOf(body['contents']).map(objectOf)
}

function partsOf(role: 'user' | 'assistant', parts: readonly NeutralPart[], target = PRO_3): readonly Json[] {
  return arrayOf(contentsOf([{ role, parts }], target)[0]?.['parts'])
}

function gapsOf(parts: readonly NeutralPart[], more: Partial<NeutralRequest> = {}, target = PRO_3): readonly string[] {
  return gemini.gaps(requestOf([{ role: 'user', parts }], more), target).map((gap) => gap.field)
}

const HELLO: NeutralMessage = { role: 'user', parts: [{ kind: 'text', text: 'Hello' }] }

describe('signatures', () => {
  const signature = fc.base64String({ minLength: 4 })
  const part = fc.oneof(
    fc.record({ text: fc.string({ minLength: 1 }), thoughtSignature: signature }),
    fc.record({ text: fc.string({ minLength: 1 }), thought: fc.constant(true), thoughtSignature: signature }),
    fc.record({
      functionCall: fc.record({
        id: fc.stringMatching(/^[a-z]{8}$/),
        name: fc.stringMatching(/^[a-z]+$/),
        args: fc.constant({ port: 'Husum' }),
      }),
      thoughtSignature: signature,
    }),
  )

  test('a reply that is sent back carries the same signatures on the same parts', () => {
    fc.assert(
      fc.property(fc.array(part, { minLength: 1, maxLength: 6 }), (parts) => {
        const body = { candidates: [{ content: { parts, role: 'model' }, finishReason: 'STOP' }] }
        const said = fold(gemini.read(parseJson(JSON.stringify(body)) ?? null, PRO_3)).choices[0]?.parts ?? []
        expect(partsOf('assistant', said)).toEqual(parseJson(JSON.stringify(parts)))
      }),
    )
  })

  test('one that came on an empty part at the end of a stream goes back on the text', () => {
    const chunk = (parts: Json): Json => ({ candidates: [{ content: { parts }, finishReason: 'STOP' }] })
    const reader = gemini.reader(PRO_3)
    const chunks = [
      chunk([{ text: 'Ebb' }]),
      chunk([{ text: ' and flood' }]),
      chunk([{ text: '', thoughtSignature: 'ZWJi' }]),
    ]
    const events = chunks.flatMap((json) => reader.push({ event: '', data: JSON.stringify(json) }))
    const said = fold([...events, ...reader.end()]).choices[0]?.parts ?? []
    expect(partsOf('assistant', said)).toEqual([{ text: 'Ebb and flood', thoughtSignature: 'ZWJi' }])
  })

  test('one without words goes with what was said next, a foreign one nowhere', () => {
    const call: NeutralPart = { kind: 'tool-call', id: 'k1', name: 'now', argumentsText: '' }
    const loose = (maker: string | null): NeutralPart => ({
      kind: 'reasoning',
      text: '',
      redacted: { maker, value: 'bG9vc2U=' },
    })
    const functionCall = { id: 'k1', name: 'now', args: {} }
    expect(partsOf('assistant', [loose('gemini'), call])).toEqual([{ functionCall, thoughtSignature: 'bG9vc2U=' }])
    expect(partsOf('assistant', [loose(null), call])).toEqual([{ functionCall, thoughtSignature: 'bG9vc2U=' }])
    expect(partsOf('assistant', [call, loose('gemini')], FLASH_25)).toEqual([
      { functionCall },
      { text: '', thoughtSignature: 'bG9vc2U=' },
    ])
    const dummy = 'skip_thought_signature_validator'
    expect(partsOf('assistant', [loose('anthropic'), call, call])).toEqual([
      { functionCall, thoughtSignature: dummy },
      { functionCall },
    ])
    const said: NeutralPart = {
      kind: 'reasoning',
      text: 'Hm.',
      signature: { maker: 'anthropic', value: 'Zm9yZWlnbg==' },
    }
    expect(partsOf('assistant', [said, { kind: 'text', text: 'Six.' }])).toEqual([{ text: 'Six.' }])
  })
})

describe('parts', () => {
  test('media and documents, wherever they are', () => {
    const parts: readonly NeutralPart[] = [
      { kind: 'audio', source: { kind: 'base64', mediaType: 'audio/wav', data: 'YQ==' } },
      { kind: 'video', source: { kind: 'url', url: 'https://example.com/v.mp4' } },
      { kind: 'image', source: { kind: 'file', id: 'files/abc' } },
      { kind: 'document', source: { kind: 'file', id: 'gs://tides/almanac.pdf' }, title: 'Almanac' },
      { kind: 'document', source: { kind: 'text', text: 'Ebb.' } },
      { kind: 'document', source: { kind: 'parts', parts: [{ kind: 'text', text: 'Flood.' }] } },
      { kind: 'other', type: 'executableCode', wire: 'gemini', value: { executableCode: { code: '6' } } },
    ]
    expect(partsOf('user', parts)).toEqual([
      { inlineData: { mimeType: 'audio/wav', data: 'YQ==' } },
      { fileData: { mimeType: 'video/mp4', fileUri: 'https://example.com/v.mp4' } },
      { fileData: { fileUri: 'https://generativelanguage.googleapis.com/v1beta/files/abc' } },
      { text: 'Almanac' },
      { fileData: { mimeType: 'application/pdf', fileUri: 'gs://tides/almanac.pdf' } },
      { text: 'Ebb.' },
      { text: 'Flood.' },
      { executableCode: { code: '6' } },
    ])
    expect(gapsOf(parts)).toEqual([])
    expect(
      partsOf('assistant', [{ kind: 'audio', source: { kind: 'file', id: 'audio_1' }, transcript: 'Ebb.' }]),
    ).toEqual([{ text: 'Ebb.' }])
  })

  test('what Google does not keep, or another wire says, is a gap', () => {
    expect(
      gapsOf([
        { kind: 'document', source: { kind: 'file', id: 'file-abc' } },
        { kind: 'video', source: { kind: 'file', id: 'file-def' } },
        { kind: 'other', type: 'container', wire: 'anthropic-messages', value: {} },
        { kind: 'tool-call', id: 'c', name: 'free', argumentsText: 'six o’clock' },
      ]),
    ).toEqual([
      'messages.content.document',
      'messages.content.video',
      'messages.content.container',
      'messages.tool_calls',
    ])
    expect(gapsOf([{ kind: 'document', source: { kind: 'text', text: 'Ebb.' }, isCited: true }])).toHaveLength(1)
  })

  test('pictures in a result are inside it from version 3 on, and behind it before', () => {
    const picture = { inlineData: { mimeType: 'image/png', data: 'aGk=' } }
    const result: NeutralPart = {
      kind: 'tool-result',
      callId: 'k1',
      name: 'camera',
      isError: false,
      content: [
        { kind: 'text', text: 'Seen:' },
        { kind: 'image', source: { kind: 'base64', mediaType: 'image/png', data: 'aGk=' } },
      ],
    }
    const functionResponse = { id: 'k1', name: 'camera', response: { output: 'Seen:' } }
    expect(partsOf('user', [result])).toEqual([{ functionResponse: { ...functionResponse, parts: [picture] } }])
    expect(partsOf('user', [result], FLASH_25)).toEqual([{ functionResponse }, picture])
    expect(partsOf('user', [{ ...result, isError: true, content: [{ kind: 'text', text: 'Fog' }] }])).toEqual([
      { functionResponse: { id: 'k1', name: 'camera', response: { error: 'Fog' } } },
    ])
  })

  test('hosted tools of this wire go as they are, of others not at all', () => {
    const own = { kind: 'other', wire: 'gemini', type: 'urlContext', value: {} } as const
    const code = { kind: 'other', wire: 'gemini', type: 'codeExecution', value: { codeExecution: {} } } as const
    const foreign = { kind: 'other', wire: 'openai-responses', type: 'file_search', value: {} } as const
    const search = {
      kind: 'web-search',
      wire: 'anthropic-messages',
      type: 'web_search_20250305',
      value: { name: 'web_search' },
    } as const
    const request = requestOf([HELLO], { hostedTools: [own, code, search] })
    const body = objectOf(parseJson(gemini.write(request, VERTEX, NO_EDITS).body))
    expect(body['tools']).toEqual([{ urlContext: {} }, { codeExecution: {} }, { googleSearch: {} }])
    expect(gapsOf([], { hostedTools: [own, code, search] })).toEqual([])
    expect(gapsOf([], { hostedTools: [foreign] })).toEqual(['tools'])
  })

  test('roles alternate whatever the turns are', () => {
    const role = fc.constantFrom('user' as const, 'assistant' as const, 'system' as const)
    fc.assert(
      fc.property(fc.array(role, { maxLength: 12 }), (roles) => {
        const turns = roles.map((name) => ({ role: name, parts: [{ kind: 'text' as const, text: name }] }))
        const written = contentsOf(turns).map((turn) => turn['role'])
        expect(written.filter((name, at) => name === written[at - 1])).toEqual([])
      }),
    )
  })
})

describe('schemas', () => {
  test('nothing stands beside a reference, and `const` is an enum of one', () => {
    const schema = {
      $schema: 'https://json-schema.org/draft/2020-12/schema',
      type: 'object',
      additionalProperties: false,
      properties: {
        const: { const: 'ebb' },
        port: { $ref: '#/$defs/Port', description: 'Where' },
        plain: { $ref: '#/$defs/Port' },
        next: { $ref: '#', description: 'The same again' },
        lost: { $ref: '#/$defs/None', title: 'Lost' },
      },
      $defs: { Port: { type: 'object', properties: { near: { $ref: '#/$defs/Port', title: 'Near' } } } },
    }
    const near = { $ref: '#/$defs/Port' }
    const inner = { type: 'object', properties: { near } }
    expect(geminiSchema(schema)).toEqual({
      type: 'object',
      additionalProperties: false,
      properties: {
        const: { enum: ['ebb'] },
        port: { ...inner, description: 'Where' },
        plain: { $ref: '#/$defs/Port' },
        next: { $ref: '#' },
        lost: { $ref: '#/$defs/None' },
      },
      $defs: { Port: { type: 'object', properties: { near: { ...inner, title: 'Near' } } } },
    })
  })

  test('definitions of older drafts are found where the API looks for them', () => {
    const definitions = { Port: { type: 'string' } }
    const schema = {
      $ref: '#/definitions/Tide',
      definitions: { ...definitions, Tide: { properties: { definitions: { $ref: '#/definitions/Port' } } } },
    }
    expect(geminiSchema({ type: 'object', ...schema })).toEqual({
      type: 'object',
      properties: { definitions: { $ref: '#/$defs/Port' } },
      $defs: { ...definitions, Tide: { properties: { definitions: { $ref: '#/$defs/Port' } } } },
    })
  })

  test('any schema is rewritten without throwing, and one without references and constants stays as it is', () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string(), fc.jsonValue()), (value) => {
        const schema = objectOf(parseJson(JSON.stringify(value)))
        const text = JSON.stringify(schema)
        const written = geminiSchema(schema)
        if (!/\$ref|const|\$schema|definitions/.test(text)) expect(written).toEqual(schema)
      }),
    )
  })
})

describe('usage and finish reasons', () => {
  test('no token is counted twice, and the total is the provider’s', () => {
    const tokens = fc.nat(10_000)
    fc.assert(
      fc.property(tokens, tokens, tokens, tokens, (prompt, said, thought, tools) => {
        const total = prompt + said + thought + tools
        const usage = readGeminiUsage({
          promptTokenCount: prompt,
          cachedContentTokenCount: Math.floor(prompt / 2),
          candidatesTokenCount: said,
          thoughtsTokenCount: thought,
          toolUsePromptTokenCount: String(tools),
          totalTokenCount: total,
        })
        if (usage !== null) expect(totalTokens(usage)).toBe(total)
        else expect(total).toBe(0)
      }),
    )
  })

  test('thoughts that were counted among the candidates are taken out', () => {
    const usage = { promptTokenCount: 5, candidatesTokenCount: 30, thoughtsTokenCount: 20, totalTokenCount: 35 }
    expect(readGeminiUsage(usage)).toMatchObject({ input: 5, output: 10, reasoning: 20 })
  })

  test.each([
    ['STOP', 'stop'],
    [1, 'stop'],
    ['MAX_TOKENS', 'length'],
    [2, 'length'],
    ['SAFETY', 'filtered'],
    [3, 'filtered'],
    ['MODEL_ARMOR', 'filtered'],
    ['IMAGE_PROHIBITED_CONTENT', 'filtered'],
    ['LANGUAGE', 'filtered'],
    ['IMAGE_SAFETY', 'filtered'],
    ['IMAGE_RECITATION', 'filtered'],
    ['UNEXPECTED_TOOL_CALL', 'broken'],
    ['TOO_MANY_TOOL_CALLS', 'broken'],
    ['MALFORMED_FUNCTION_CALL', 'broken'],
    ['MALFORMED_RESPONSE', 'broken'],
    ['MISSING_THOUGHT_SIGNATURE', 'broken'],
    ['OTHER', 'broken'],
    ['IMAGE_OTHER', 'broken'],
    [5, 'broken'],
    ['NO_IMAGE', 'stop'],
    ['SOMETHING_NEW', 'stop'],
    ['FINISH_REASON_UNSPECIFIED', null],
    [0, null],
    [undefined, null],
  ])('%s', (value, reason) => {
    expect(readGeminiFinish(value)).toBe(reason)
  })
})

test('a model that gives up has failed, in its own words where it has any, and what it used is told', () => {
  const usageMetadata = { promptTokenCount: 22, candidatesTokenCount: 3, totalTokenCount: 25 }
  const read = (candidate: JsonObject) => fold(gemini.read({ candidates: [candidate], usageMetadata }, TARGET))
  const said = read({ finishReason: 'OTHER', finishMessage: 'Model failed to generate content due to internal error.' })
  expect(said.failure).toMatchObject({
    class: 'stream',
    code: 'OTHER',
    message: 'Model failed to generate content due to internal error.',
  })
  expect(said.usage).toMatchObject({ input: 22, output: 3 })
  expect(read({ finishReason: 'UNEXPECTED_TOOL_CALL' }).failure?.code).toBe('UNEXPECTED_TOOL_CALL')
  const silent = read({ finishReason: 'NO_IMAGE', content: { parts: [{ text: 'No picture of that.' }] } })
  expect(silent.failure).toBeNull()
  expect(silent.choices).toMatchObject([{ finish: 'stop' }])
})

describe('other calls', () => {
  test('tokens are counted without the settings of the reply', () => {
    const request = requestOf([{ role: 'system', parts: [{ kind: 'text', text: 'Brief.' }] }, HELLO], {
      temperature: 1,
    })
    const contents = [{ role: 'user', parts: [{ text: 'Hello' }] }]
    const systemInstruction = { parts: [{ text: 'Brief.' }] }
    const studio = geminiCountTokensCall(request, 'gemini-3', PRO_3)
    expect(studio.path).toBe('/models/gemini-3:countTokens')
    expect(parseJson(studio.body)).toEqual({
      generateContentRequest: { model: 'models/gemini-3', contents, systemInstruction },
    })
    const vertex = geminiCountTokensCall(request, 'gemini-3', VERTEX)
    expect(vertex.path).toBe('/publishers/google/models/gemini-3:countTokens')
    expect(parseJson(vertex.body)).toEqual({ contents, systemInstruction })
    expect(parseJson(geminiCountTokensCall(requestOf([HELLO]), 'gemini-3', PRO_3).body)).toEqual({ contents })
  })

  test('embeddings of one text, of many, and of Vertex’s older models', () => {
    const model = 'gemini-embedding-001'
    const content = (text: string): JsonObject => ({ parts: [{ text }] })
    expect(writeGeminiEmbeddings(['ebb'], model, { target: PRO_3, dimensions: 8 })).toEqual({
      path: `/models/${model}:embedContent`,
      body: { content: content('ebb'), outputDimensionality: 8 },
    })
    const each = { model: `models/${model}`, taskType: 'RETRIEVAL_QUERY' }
    expect(writeGeminiEmbeddings(['ebb', 'flood'], model, { target: PRO_3, taskType: 'RETRIEVAL_QUERY' })).toEqual({
      path: `/models/${model}:batchEmbedContents`,
      body: {
        requests: [
          { ...each, content: content('ebb') },
          { ...each, content: content('flood') },
        ],
      },
    })
    expect(writeGeminiEmbeddings(['ebb', 'flood'], model, { target: VERTEX, dimensions: 8 })).toEqual({
      path: `/publishers/google/models/${model}:predict`,
      body: { instances: [{ content: 'ebb' }, { content: 'flood' }], parameters: { outputDimensionality: 8 } },
    })
    const newer = 'gemini-embedding-2'
    expect(writeGeminiEmbeddings(['ebb'], newer, { target: VERTEX })?.path).toBe(
      `/publishers/google/models/${newer}:embedContent`,
    )
    expect(writeGeminiEmbeddings(['ebb', 'flood'], newer, { target: VERTEX })).toBeNull()
    expect(writeGeminiEmbeddings([], model, { target: PRO_3 })).toBeNull()
  })

  test('vectors of all three forms are read, with their usage', () => {
    const usageMetadata = { promptTokenCount: 3, totalTokenCount: 3 }
    expect(readGeminiEmbeddings({ embedding: { values: [1, 2] }, usageMetadata })).toMatchObject({
      vectors: [[1, 2]],
      usage: { input: 3 },
    })
    expect(readGeminiEmbeddings({ embeddings: [{ values: [1] }, { values: [2] }] })).toEqual({
      vectors: [[1], [2]],
      usage: null,
    })
    const predictions = [1, 2].map((n) => ({ embeddings: { values: [n], statistics: { token_count: n } } }))
    expect(readGeminiEmbeddings({ predictions })).toMatchObject({ vectors: [[1], [2]], usage: { input: 3 } })
    for (const body of [null, {}, { embedding: {} }, { embeddings: [{}] }])
      expect(readGeminiEmbeddings(body)).toBeNull()
  })
})
