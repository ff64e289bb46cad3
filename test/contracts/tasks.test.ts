// What holds for every task and for everybody who can do it, run over both registries.
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Target, TaskName } from '../../src/core/directory.ts'
import { type Json, type JsonObject, isJsonObject, parseJson } from '../../src/core/json.ts'
import { NO_USAGE } from '../../src/core/money/usage.ts'
import type { TaskCodec } from '../../src/dialects/tasks/codec.ts'
import { taskCodecs } from '../../src/dialects/tasks/index.ts'
import { protocols } from '../support/registries.ts'
import type { Task } from '../../src/protocols/task.ts'
import { TASK_ENDPOINTS } from '../../src/protocols/tasks/endpoints.ts'
import { taskAt, tasks } from '../../src/protocols/tasks/index.ts'
import { arrayOf, objectOf } from '../../src/wire/read.ts'
import { someTarget } from '../support/targets.ts'

const TASKS: readonly Task[] = Object.values(tasks)
const CODECS = TASKS.flatMap(({ name }) =>
  Object.entries(taskCodecs[name]).flatMap(([dialect, codec]): [TaskName, string, TaskCodec][] =>
    codec === undefined ? [] : [[name, dialect, codec]],
  ),
)

/** A request that each task takes. */
const ASKED: Readonly<Record<TaskName, JsonObject>> = {
  embeddings: { model: 'tide', input: ['reef', 'pier'] },
  rerank: { model: 'tide', query: 'Which?', documents: ['reef', { text: 'pier' }], top_n: 1 },
  moderations: { model: 'tide', input: 'reef' },
  images: { model: 'tide', prompt: 'A reef.', n: 2 },
  'image-edits': { model: 'tide', prompt: 'A reef.' },
  speech: { model: 'tide', input: 'Ahoy', voice: 'alloy' },
  transcriptions: { model: 'tide', stream: 'true' },
  translations: { model: 'tide' },
}

const ANY_JSON = fc.jsonValue().map((value): Json => {
  const json = parseJson(JSON.stringify(value))
  return json ?? null
})
const ANY_MODEL = fc.oneof(
  fc.string({ unit: 'binary', minLength: 1 }),
  fc.constantFrom(
    '..',
    '.',
    '../../v1/keys',
    'a/../b',
    '//evil.test/x',
    'a?key=b',
    'a#b',
    '@cf/baai/bge-m3',
    '%2e%2e',
    'a\\..\\b',
  ),
)

function targetOf(dialect: string, model: string): Target {
  const target = someTarget('target', { model, baseUrl: 'https://provider.test/base' })
  return Object.assign(target, { dialect })
}

describe.each(TASKS.map((task) => [task.name, task] as const))('the task %s', (name, task) => {
  test('has an address and a name that nobody else has, and fails as OpenAI does', () => {
    const speakers = [...TASKS, ...Object.values(protocols)]
    expect(speakers.filter(({ endpoint }) => endpoint === task.endpoint)).toHaveLength(1)
    expect(taskAt(TASK_ENDPOINTS[name])).toBe(task)
    expect(speakers.filter((other) => other.name === name)).toHaveLength(1)
    expect(task.fail({ kind: 'model-not-found', model: 'x' }, 'id')).toMatchObject({
      status: 404,
      body: { error: { code: 'model_not_found' } },
    })
  })

  test('reads the facts of what it is asked, and no facts out of anything else', () => {
    expect(task.facts(ASKED[name])).toMatchObject({ ok: true, value: { model: 'tide' } })
    expect(task.facts({})).toMatchObject({ ok: false, error: { kind: 'invalid-request', field: 'model' } })
    fc.assert(
      fc.property(
        fc.dictionary(fc.constantFrom('model', 'input', 'prompt', 'query', 'documents', 'n', 'user'), ANY_JSON),
        (body) => {
          const facts = task.facts(body)
          if (!facts.ok) {
            expect(facts.error.field).not.toBeNull()
            return
          }
          expect(facts.value.promptText()).toEqual(expect.any(String))
          expect(Number.isFinite(facts.value.promptTokens)).toBe(true)
          expect(Number.isSafeInteger(facts.value.choices) && facts.value.choices > 0).toBe(true)
        },
      ),
    )
  })

  test('is asked for a number of answers that can be reserved for, or not at all', () => {
    for (const n of ['x', {}, [2], true, -5, 0, 1.5, 1e308]) {
      expect(task.facts({ ...ASKED[name], n })).toMatchObject({ ok: false, error: { field: 'n' } })
    }
  })

  test('that is cut into pieces is the same when it is put together', () => {
    const { batches } = task
    if (batches === undefined) return
    fc.assert(
      fc.property(
        fc.array(fc.string({ minLength: 1 }), { minLength: 1 }),
        fc.integer({ min: 1, max: 9 }),
        (input, sizeMax) => {
          const body = { ...ASKED[name], input }
          const pieces = batches.split(body, sizeMax)
          expect(pieces.flatMap((piece) => arrayOf(piece['input']))).toEqual(input)
          for (const piece of pieces) expect(arrayOf(piece['input']).length).toBeLessThanOrEqual(sizeMax)
          const answered = (texts: readonly Json[]): JsonObject => ({
            data: texts.map((text, index) => ({ index, embedding: text })),
            usage: { prompt_tokens: texts.length, total_tokens: texts.length },
          })
          const replies = pieces.map((piece) => answered(arrayOf(piece['input'])))
          expect(batches.join(replies)).toEqual(answered(input))
          // A provider may answer in another order than it was asked.
          const turned = replies.map((reply) => ({ ...reply, data: arrayOf(reply['data']).toReversed() }))
          if (replies.length > 1) expect(batches.join(turned)).toEqual(answered(input))
        },
      ),
    )
  })
})

describe.each(CODECS)('%s on the wire %s', (name, dialect, codec) => {
  test('no model can change the host, climb the path or add a query', () => {
    fc.assert(
      fc.property(ANY_MODEL, (model) => {
        const { path, body } = codec.write({ body: ASKED[name], text: null, model }, targetOf(dialect, model))
        const url = new URL(`https://provider.test/base${path}`)
        expect([url.host, url.search, url.hash]).toEqual(['provider.test', '', ''])
        expect(url.pathname.startsWith('/base/')).toBe(true)
        expect(isJsonObject(parseJson(body))).toBe(true)
      }),
    )
  })

  test("the gateway's own member goes no further", () => {
    const body = { ...ASKED[name], tidegate: { note: 'ours' } }
    const text = JSON.stringify(body)
    for (const request of [
      { body, text, model: 'tide' },
      { body, text: null, model: 'other' },
    ]) {
      expect(codec.write(request, targetOf(dialect, 'tide')).body).not.toMatch(/tidegate|ours/)
    }
    expect(codec.gaps(body, targetOf(dialect, 'tide'))).toEqual([])
  })

  test('reads nothing out of anything, and never throws', () => {
    const request = { body: ASKED[name], text: null, model: 'tide' }
    fc.assert(fc.property(ANY_JSON, (reply) => void codec.read(reply, request)))
    for (const reply of [null, 7, 'x', { error: { message: 'no' } }]) expect(codec.read(reply, request)).toBeNull()
  })
})

const VECTORS = [
  [0.5, -0.25],
  [0.125, 1],
]

describe('vectors', () => {
  test.each<[string, Json, number | null]>([
    [
      'openai-chat',
      {
        object: 'list',
        data: VECTORS.map((embedding, index) => ({ object: 'embedding', index, embedding })),
        model: 'tide',
        usage: { prompt_tokens: 4, total_tokens: 4 },
      },
      4,
    ],
    ['cohere', { id: 'x', embeddings: { float: VECTORS }, meta: { billed_units: { input_tokens: 4 } } }, 4],
    ['ollama', { model: 'tide', embeddings: VECTORS, prompt_eval_count: 4 }, 4],
    ['tgi', VECTORS, null],
    ['workers-ai', { result: { shape: [2, 2], data: VECTORS }, success: true, errors: [] }, null],
    ['gemini', { embeddings: VECTORS.map((values) => ({ values })) }, null],
    ['bedrock-converse', { embeddings: { float: VECTORS }, response_type: 'embeddings_by_type' }, null],
  ])('of %s are the same, as numbers and as base64', (dialect, reply, tokens) => {
    const codec = taskCodecs.embeddings[dialect]
    const read = (format: string) =>
      codec?.read(reply, { body: { ...ASKED.embeddings, encoding_format: format }, text: null, model: 'tide' })
    const numbers = read('float')
    expect(arrayOf(numbers?.body['data']).map((item) => objectOf(item)['embedding'])).toEqual(VECTORS)
    expect(numbers?.usage).toEqual(tokens === null ? null : { ...NO_USAGE, input: tokens })
    const texts = arrayOf(read('base64')?.body['data']).map((item) => String(objectOf(item)['embedding']))
    const decoded = texts.map((text) => [...new Float32Array(Uint8Array.from(Buffer.from(text, 'base64')).buffer)])
    expect(decoded).toEqual(VECTORS)
  })

  test('of a follower of OpenAI that counts a total alone come with the tokens of the prompt', () => {
    const data = VECTORS.map((embedding, index) => ({ object: 'embedding', index, embedding }))
    const request = { body: ASKED.embeddings, text: null, model: 'tide' }
    const read = taskCodecs.embeddings['openai-chat']?.read(
      { object: 'list', data, usage: { total_tokens: 4 } },
      request,
    )
    expect(read?.body['usage']).toEqual({ prompt_tokens: 4, total_tokens: 4 })
    expect(read?.usage).toEqual({ ...NO_USAGE, input: 4 })
  })

  test('that are more or fewer than the inputs are no reply, since nobody could tell whose they are', () => {
    const body = { object: 'list', data: [{ object: 'embedding', index: 0, embedding: [1] }] }
    const read = (input: Json) =>
      taskCodecs.embeddings['openai-chat']?.read(body, { body: { input }, text: null, model: 'tide' }) ?? null
    for (const input of ['reef', ['reef'], [1, 2, 3], [[1, 2]]]) expect(read(input)?.body).toEqual(body)
    for (const input of [
      ['reef', 'pier'],
      [[1], [2]],
    ])
      expect(read(input)).toBeNull()
  })

  test('are asked for in the words of each wire', () => {
    const written = (dialect: string, model: string, more: JsonObject = {}): unknown => {
      const body = { model: 'asked', input: ['reef', 'pier'], ...more }
      const call = taskCodecs.embeddings[dialect]?.write({ body, text: null, model }, targetOf(dialect, model))
      return [call?.path, parseJson(call?.body ?? '')]
    }
    expect(written('cohere', 'embed-v4.0', { dimensions: 256 })).toEqual([
      '/v2/embed',
      {
        model: 'embed-v4.0',
        texts: ['reef', 'pier'],
        input_type: 'search_document',
        embedding_types: ['float'],
        output_dimension: 256,
      },
    ])
    expect(written('ollama', 'bge-m3')).toEqual(['/api/embed', { model: 'bge-m3', input: ['reef', 'pier'] }])
    expect(written('tgi', 'any')).toEqual(['/embed', { inputs: ['reef', 'pier'] }])
    expect(written('workers-ai', '@cf/baai/bge-m3')).toEqual(['/run/@cf/baai/bge-m3', { text: ['reef', 'pier'] }])
    expect(written('bedrock-converse', 'amazon.titan-embed-text-v2:0', { dimensions: 256 })).toEqual([
      '/model/amazon.titan-embed-text-v2%3A0/invoke',
      { inputText: 'reef', dimensions: 256 },
    ])
    expect(written('gemini', 'gemini-embedding-001', { dimensions: 256 })).toMatchObject([
      '/models/gemini-embedding-001:batchEmbedContents',
      { requests: [{ model: 'models/gemini-embedding-001', outputDimensionality: 256 }, {}] },
    ])
  })

  test('of tokens, and settings that a wire has no word for, are gaps by name', () => {
    const fields = (dialect: string, body: JsonObject): unknown =>
      taskCodecs.embeddings[dialect]
        ?.gaps(body, targetOf(dialect, 'amazon.titan-embed-text-v1'))
        .map(({ field }) => field)
    expect(fields('openai-chat', { input: [[1, 2]], dimensions: 3, odd: true })).toEqual([])
    expect(fields('cohere', { input: [[1, 2]], user: 'x' })).toEqual(['input'])
    expect(fields('workers-ai', { input: 'x', dimensions: 3, odd: true })).toEqual(['dimensions', 'odd'])
    expect(fields('bedrock-converse', { input: 'x', dimensions: 3 })).toEqual(['dimensions'])
  })
})

describe('ranks', () => {
  const body = {
    model: 'asked',
    query: 'Which?',
    documents: ['reef', 'pier', 'mole'],
    top_n: 2,
    return_documents: true,
  }

  test.each<[string, Json]>([
    [
      'openai-chat',
      {
        model: 'tide',
        data: [
          { index: 2, relevance_score: 0.9 },
          { index: 0, relevance_score: 0.2 },
        ],
        usage: { total_tokens: 9 },
      },
    ],
    [
      'openai-chat',
      {
        model: 'tide',
        results: [
          { index: 2, relevance_score: 0.9 },
          { index: 0, relevance_score: 0.2 },
        ],
      },
    ],
    [
      'cohere',
      {
        id: 'x',
        results: [
          { index: 2, relevance_score: 0.9 },
          { index: 0, relevance_score: 0.2 },
        ],
        meta: { billed_units: { search_units: 1 } },
      },
    ],
    [
      'tgi',
      [
        { index: 0, score: 0.2 },
        { index: 1, score: 0.1 },
        { index: 2, score: 0.9 },
      ],
    ],
  ])('of %s are the same', (dialect, reply) => {
    const read = taskCodecs.rerank[dialect]?.read(reply, { body, text: null, model: 'tide' })
    expect(read?.body['results']).toEqual([
      { index: 2, relevance_score: 0.9, document: { text: 'mole' } },
      { index: 0, relevance_score: 0.2, document: { text: 'reef' } },
    ])
  })

  test('are asked of Voyage by its own word, and of what has no text by nobody', () => {
    const target = Object.assign(targetOf('openai-chat', 'rerank-2'), { provider: 'voyage' })
    const { path, body: sent } =
      taskCodecs.rerank['openai-chat']?.write({ body, text: JSON.stringify(body), model: 'rerank-2' }, target) ?? {}
    expect([path, parseJson(sent ?? '')]).toMatchObject(['/rerank', { model: 'rerank-2', top_k: 2 }])
    expect(sent).not.toContain('top_n')
    const pictures = { ...body, documents: [{ image: 'x' }] }
    const titled = { ...body, documents: [{ text: 'reef', title: 'Charts' }] }
    for (const asked of [pictures, titled]) {
      expect(taskCodecs.rerank['tgi']?.gaps(asked, target)).toMatchObject([{ field: 'documents' }])
    }
  })
})
