// Chat requests and the Bedrock requests that they become, side by side: the translation as a reader would check it.
import { describe, expect, test } from 'vitest'
import type { Target } from '../../src/core/directory.ts'
import { parseJson } from '../../src/core/json.ts'
import type { Json, JsonObject } from '../../src/core/json.ts'
import type { NeutralPart, NeutralRequest } from '../../src/core/neutral.ts'
import { bedrockConverse } from '../../src/dialects/bedrock-converse/index.ts'
import { protocols } from '../support/registries.ts'
import { objectOf } from '../../src/wire/read.ts'
import { TARGET } from '../support/target.ts'

const CLAUDE = 'anthropic.claude-haiku-4-5-20251001-v1:0'
const NOVA = 'us.amazon.nova-2-lite-v1:0'
const LLAMA = 'meta.llama3-3-70b-instruct-v1:0'

function targetOf(model: string): Target {
  return { ...TARGET, dialect: 'bedrock-converse', model }
}

function read(body: JsonObject): NeutralRequest {
  const request = protocols.chat.read({ model: 'asked', messages: HELLO, ...body })
  if (!request.ok) throw new Error(request.error.message)
  return request.value
}

function written(request: NeutralRequest, model = CLAUDE, maxOutputTokens: number | null = null): Json | undefined {
  return parseJson(
    bedrockConverse.write(request, targetOf(model), { model: null, forceUsage: false, maxOutputTokens }).body,
  )
}

function translate(body: JsonObject, model = CLAUDE): Json | undefined {
  return written(read(body), model)
}

function gapsOf(body: JsonObject, model = CLAUDE): readonly string[] {
  return bedrockConverse.gaps(read(body), targetOf(model)).map((gap) => gap.field)
}

/** A request of parts that the chat protocol has no words for. */
function saying(...parts: readonly NeutralPart[]): NeutralRequest {
  return { ...read({}), messages: [{ role: 'user', parts }] }
}

const HELLO = [{ role: 'user', content: 'Hello' }]
const GREETING = { messages: [{ role: 'user', content: [{ text: 'Hello' }] }] }
const TOOL = {
  type: 'function',
  function: { name: 'tide', description: 'Looks it up.', parameters: { type: 'object', properties: {} }, strict: true },
}
const SPEC = {
  toolSpec: {
    name: 'tide',
    description: 'Looks it up.',
    inputSchema: { json: { type: 'object', properties: {} } },
    strict: true,
  },
}

describe('a chat request in Converse form', () => {
  test('text, system and bounds', () => {
    const messages = [{ role: 'system', content: 'Be brief.' }, ...HELLO]
    expect(translate({ messages })).toEqual({ ...GREETING, system: [{ text: 'Be brief.' }] })
    const sampling = { max_tokens: 100, temperature: 0.5, top_p: 0.9, stop: ['END', ' '] }
    expect(translate(sampling, LLAMA)).toEqual({
      ...GREETING,
      inferenceConfig: { maxTokens: 100, temperature: 0.5, topP: 0.9, stopSequences: ['END'] },
    })
    expect(written(read({ max_tokens: 100 }), LLAMA, 50)).toEqual({ ...GREETING, inferenceConfig: { maxTokens: 50 } })
  })

  test('a model that can say at which sequence it stopped is asked to', () => {
    expect(translate({ stop: 'END' })).toEqual({
      ...GREETING,
      inferenceConfig: { stopSequences: ['END'] },
      additionalModelResponseFieldPaths: ['/stop_sequence'],
    })
  })

  test('the path names the model, whatever is in it, and whether to stream', () => {
    const pathOf = (model: string, stream: boolean) =>
      bedrockConverse.write({ ...read({}), stream }, targetOf(model), {
        model: null,
        forceUsage: false,
        maxOutputTokens: null,
      }).path
    expect(pathOf(CLAUDE, false)).toBe('/model/anthropic.claude-haiku-4-5-20251001-v1%3A0/converse')
    const arn = 'arn:aws:bedrock:eu-west-1:111122223333:application-inference-profile/tide'
    expect(pathOf(arn, true)).toBe(
      '/model/arn%3Aaws%3Abedrock%3Aeu-west-1%3A111122223333%3Aapplication-inference-profile%2Ftide/converse-stream',
    )
  })

  test('calls and their results: neighbours join, results stand first, blank text is left out, ids fit', () => {
    const call = (id: string) => ({ id, type: 'function', function: { name: 'tide', arguments: '{"port":"Brest"}' } })
    const messages = [
      ...HELLO,
      { role: 'assistant', content: ' ', tool_calls: [call('functions.tide:1'), call('functions.tide_1')] },
      { role: 'user', content: 'Well?' },
      { role: 'tool', tool_call_id: 'functions.tide:1', content: 'six' },
      { role: 'tool', tool_call_id: 'functions.tide_1', content: '' },
    ]
    const use = (toolUseId: string) => ({ toolUse: { toolUseId, name: 'tide', input: { port: 'Brest' } } })
    expect(translate({ messages, tools: [TOOL] })).toEqual({
      messages: [
        GREETING.messages[0],
        { role: 'assistant', content: [use('functions_tide_1'), use('functions_tide_1_2')] },
        {
          role: 'user',
          content: [
            { toolResult: { toolUseId: 'functions_tide_1', content: [{ text: 'six' }] } },
            { toolResult: { toolUseId: 'functions_tide_1_2', content: [] } },
            { text: 'Well?' },
          ],
        },
      ],
      toolConfig: { tools: [SPEC] },
    })
  })

  test('tools that only the conversation names are described, because calls without tools are refused', () => {
    const messages = [
      ...HELLO,
      {
        role: 'assistant',
        content: null,
        tool_calls: [{ id: 'a', type: 'function', function: { name: 'tide', arguments: '' } }],
      },
      { role: 'tool', tool_call_id: 'a', content: 'six' },
    ]
    expect(translate({ messages })).toMatchObject({ toolConfig: { tools: [{ toolSpec: { name: 'tide' } }] } })
  })

  test.each([
    ['auto', { auto: {} }],
    ['required', { any: {} }],
    [{ type: 'function', function: { name: 'tide' } }, { tool: { name: 'tide' } }],
  ])('the choice of tools %j', (tool_choice, toolChoice) => {
    expect(translate({ tools: [TOOL], tool_choice })).toEqual({
      ...GREETING,
      toolConfig: { tools: [SPEC], toolChoice },
    })
  })

  test('no tools are offered where none may be called', () => {
    expect(translate({ tools: [TOOL], tool_choice: 'none' })).toEqual(GREETING)
    expect(gapsOf({ tools: [TOOL], tool_choice: 'none' })).toEqual([])
  })

  test('a JSON schema', () => {
    const schema = { type: 'object', properties: { port: { type: 'string' } } }
    const format = { type: 'json_schema', json_schema: { name: 'port', strict: true, schema } }
    expect(translate({ response_format: format })).toEqual({
      ...GREETING,
      outputConfig: {
        textFormat: {
          type: 'json_schema',
          structure: { jsonSchema: { name: 'port', schema: JSON.stringify(schema) } },
        },
      },
    })
  })

  test("the wire's own fields pass under their own names", () => {
    const own = {
      guardrailConfig: { guardrailIdentifier: 'harbour', guardrailVersion: '1' },
      performanceConfig: { latency: 'optimized' },
      additionalModelRequestFields: { anthropic_beta: ['tide-1'] },
    }
    expect(gapsOf(own)).toEqual([])
    expect(translate(own)).toEqual({ ...GREETING, ...own })
  })
})

describe('thinking', () => {
  test('of an Anthropic model has a budget below the bound, and fixes what it cannot combine', () => {
    expect(translate({ reasoning_effort: 'high', max_tokens: 2000, top_p: 0.99 })).toEqual({
      ...GREETING,
      inferenceConfig: { maxTokens: 2000, topP: 0.99 },
      additionalModelRequestFields: { thinking: { type: 'enabled', budget_tokens: 1600 } },
    })
    expect(objectOf(translate({ reasoning_effort: 'low' }))['inferenceConfig']).toEqual({
      maxTokens: TARGET.maxOutputTokens,
    })
    expect(translate({ reasoning_effort: 'high', max_tokens: 1000 })).toEqual({
      ...GREETING,
      inferenceConfig: { maxTokens: 1000 },
    })
  })

  test('of Nova and of the open models of OpenAI has their own words', () => {
    expect(translate({ reasoning_effort: 'medium' }, NOVA)).toEqual({
      ...GREETING,
      additionalModelRequestFields: { reasoningConfig: { type: 'enabled', maxReasoningEffort: 'medium' } },
    })
    const hard = (body: JsonObject) => JSON.stringify(translate({ reasoning_effort: 'high', ...body }, NOVA))
    expect(hard({})).toContain('"maxReasoningEffort":"high"')
    expect(hard({ max_tokens: 500 })).toContain('"maxReasoningEffort":"medium"')
    expect(translate({ reasoning_effort: 'high' }, 'openai.gpt-oss-120b-1:0')).toEqual({
      ...GREETING,
      additionalModelRequestFields: { reasoning_effort: 'high' },
    })
  })

  test('cannot be asked of others', () => {
    expect(gapsOf({ reasoning_effort: 'high' }, LLAMA)).toEqual(['reasoning_effort'])
    expect(gapsOf({ reasoning_effort: 'high' }, 'amazon.nova-pro-v1:0')).toEqual(['reasoning_effort'])
    expect(gapsOf({ reasoning_effort: 'none' }, LLAMA)).toEqual([])
    expect(gapsOf({ reasoning_effort: 'high', temperature: 0, tools: [TOOL], tool_choice: 'required' })).toEqual([
      'tool_choice',
      'temperature',
    ])
  })

  test('is sent back with the signature that Bedrock gave, or that nobody claims; any other is left out', () => {
    const thought = (maker: string | null): NeutralPart => ({
      kind: 'reasoning',
      text: 'Six hours.',
      signature: { maker, value: 'c2ln' },
    })
    const redacted: NeutralPart = { kind: 'reasoning', text: '', redacted: { maker: 'bedrock', value: 'ZW5j' } }
    const block = { reasoningContent: { reasoningText: { text: 'Six hours.', signature: 'c2ln' } } }
    const plain: NeutralPart = { kind: 'reasoning', text: 'unsigned' }
    const request = saying(thought('bedrock'), thought(null), thought('gemini'), redacted, plain)
    expect(written(request)).toEqual({
      messages: [{ role: 'user', content: [block, block, { reasoningContent: { redactedContent: 'ZW5j' } }] }],
    })
  })
})

describe('media', () => {
  test('go inline or from S3', () => {
    const request = saying(
      { kind: 'image', source: { kind: 'base64', mediaType: 'image/jpeg', data: 'AAAA' } },
      { kind: 'video', source: { kind: 'url', url: 's3://harbour/tide.MP4' } },
      { kind: 'audio', source: { kind: 'base64', mediaType: 'audio/mpeg', data: 'BBBB' } },
      {
        kind: 'document',
        source: { kind: 'base64', mediaType: 'application/pdf', data: 'CCCC' },
        title: 'tide/table.pdf',
      },
      { kind: 'document', source: { kind: 'text', text: 'High at six.' }, title: 'tide table pdf', isCited: true },
    )
    expect(bedrockConverse.gaps(request, targetOf(NOVA))).toEqual([])
    expect(objectOf(written(request, NOVA))['messages']).toEqual([
      {
        role: 'user',
        content: [
          { image: { format: 'jpeg', source: { bytes: 'AAAA' } } },
          { video: { format: 'mp4', source: { s3Location: { uri: 's3://harbour/tide.MP4' } } } },
          { audio: { format: 'mp3', source: { bytes: 'BBBB' } } },
          { document: { format: 'pdf', name: 'tide table pdf', source: { bytes: 'CCCC' } } },
          {
            document: {
              format: 'txt',
              name: 'tide table pdf (2)',
              source: { text: 'High at six.' },
              citations: { enabled: true },
            },
          },
        ],
      },
    ])
  })

  test('that the API cannot fetch, or has no name for, are gaps', () => {
    const fieldsOf = (part: NeutralPart) => bedrockConverse.gaps(saying(part), targetOf(NOVA)).map((gap) => gap.field)
    const url = { kind: 'url', url: 'https://tides.test/a.png' } as const
    expect(fieldsOf({ kind: 'image', source: url })).toEqual(['messages.content.image_url'])
    const tiff = { kind: 'base64', mediaType: 'image/tiff', data: 'AAAA' } as const
    expect(fieldsOf({ kind: 'image', source: tiff })).toEqual(['messages.content.image_url'])
    expect(fieldsOf({ kind: 'document', source: { kind: 'file', id: 'f' } })).toEqual(['messages.content.file'])
    expect(fieldsOf({ kind: 'other', type: 'search', value: {}, wire: 'openai-chat' })).toEqual([
      'messages.content.search',
    ])
  })
})

describe('cache marks', () => {
  const cached = (ttl: '5m' | '1h' | null): NeutralRequest => ({
    ...saying({ kind: 'text', text: 'Hello', cacheMark: { ttl } }),
    tools: [{ name: 'tide', parameters: null, cacheMark: { ttl: null } }],
  })

  test('become cache points behind what they end', () => {
    expect(written(cached('1h'))).toEqual({
      messages: [{ role: 'user', content: [{ text: 'Hello' }, { cachePoint: { type: 'default', ttl: '1h' } }] }],
      toolConfig: {
        tools: [
          { toolSpec: { name: 'tide', inputSchema: { json: { type: 'object' } } } },
          { cachePoint: { type: 'default' } },
        ],
      },
    })
  })

  test('are left out for a model that takes none', () => {
    expect(JSON.stringify(written(cached('5m'), LLAMA))).not.toContain('cachePoint')
  })
})

describe('what cannot be carried', () => {
  test.each<readonly [JsonObject, readonly string[]]>([
    [{ seed: 7, n: 2, logprobs: true, frequency_penalty: 1 }, ['seed', 'n', 'frequency_penalty', 'logprobs']],
    [{ temperature: 1.5 }, ['temperature']],
    [{ stop: ['  '] }, ['stop']],
    [{ response_format: { type: 'json_object' } }, ['response_format']],
    [{ tools: [TOOL], parallel_tool_calls: false }, ['parallel_tool_calls']],
    [{ unknown_field: 1 }, ['unknown_field']],
    [{ messages: [{ role: 'user', name: 'Ann', content: 'Hello' }] }, ['messages.name']],
  ])('%j is named', (body, fields) => {
    expect(gapsOf(body, LLAMA).toSorted()).toEqual(fields.toSorted())
  })

  test('what can be is not', () => {
    const body = {
      metadata: { watch: 'first' },
      service_tier: 'flex',
      user: 'ann',
      parallel_tool_calls: true,
      tools: [TOOL],
    }
    expect(gapsOf(body, LLAMA)).toEqual([])
    expect(translate(body, LLAMA)).toMatchObject({
      requestMetadata: { watch: 'first' },
      serviceTier: { type: 'flex' },
    })
  })
})
