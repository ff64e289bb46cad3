// Tasks through the whole running gateway with the official `openai` SDK: vectors, verdicts, pictures, sound and transcripts,
// and what the ledger says of them.
import { toFile } from 'openai'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import * as z from 'zod/mini'
import {
  type MintedKey,
  bookOf,
  clientOf,
  createRoute,
  createTenant,
  eventually,
  latestAttempts,
  simulatedTarget,
} from '../support/account.ts'
import { type TestSystem, startTestSystem } from '../support/system.ts'

let system: TestSystem
let owner: MintedKey

beforeAll(async () => {
  system = await startTestSystem()
  owner = await createTenant(system, 'harbour')
  await createRoute(system, 'tide-vectors', [simulatedTarget('vectors', 'sim-embed', { max_batch_size: 4 })])
  await createRoute(system, 'tide-floats', [simulatedTarget('floats', 'sim-embed-floats-only', { max_batch_size: 2 })])
  await createRoute(system, 'tide-second', [
    simulatedTarget('broken', 'sim-embed-e503', { max_batch_size: 4 }),
    simulatedTarget('whole', 'sim-embed-second', { max_batch_size: 4 }),
  ])
  const batching = { max_batch_size: 4, max_wait_ms: 600 }
  await createRoute(system, 'tide-together', [simulatedTarget('together', 'sim-embed-together', { batching })])
  await createRoute(system, 'tide-uncounted', [simulatedTarget('uncounted', 'sim-embed-nousage')])
  await createRoute(system, 'tide-picture', [simulatedTarget('picture', 'sim-picture')])
  await createRoute(system, 'tide-voice', [simulatedTarget('voice', 'sim-voice')])
  await createRoute(system, 'tide-ear', [simulatedTarget('ear', 'sim-ear')])
  await createRoute(system, 'tide-judge', [simulatedTarget('judge', 'sim-judge')])
  await createRoute(system, 'tide-talker', [simulatedTarget('talker', 'sim-claude-talker')])
})
afterAll(() => system.dispose())

/** The ledger's latest row for a model. */
async function rowOf(model: string) {
  const rows = await eventually(
    async () => (await latestAttempts(system)).filter((row) => row.requested_model === model),
    (found) => found.length > 0,
  )
  return rows[0]
}

function post(path: string, body: BodyInit, headers: Record<string, string> = {}): Promise<Response> {
  return fetch(system.url + path, {
    method: 'POST',
    headers: { authorization: `Bearer ${owner.key}`, ...headers },
    body,
  })
}

const JSON_TYPE = { 'content-type': 'application/json' }

describe('embeddings', () => {
  test('come as numbers or as base64, and are the same', async () => {
    const client = clientOf(system, owner.key)
    const input = 'Where is the lighthouse?'
    const usual = await client.embeddings.create({ model: 'tide-vectors', input })
    const numbers = await client.embeddings.create({ model: 'tide-vectors', input, encoding_format: 'float' })
    const made = await client.embeddings.create({ model: 'tide-floats', input })
    expect(usual.data[0]?.embedding).toHaveLength(8)
    expect(usual.data[0]?.embedding).toEqual(numbers.data[0]?.embedding)
    // Its provider knows numbers only: the base64 that the SDK asks for is ours.
    expect(made.data[0]?.embedding).toEqual(numbers.data[0]?.embedding)
    const row = await rowOf('tide-vectors')
    expect(row).toMatchObject({ protocol: 'embeddings', status: 200, provider: 'simulated-openai' })
  })

  test('of many inputs are asked for in pieces and come back in order, counted together', async () => {
    const client = clientOf(system, owner.key)
    const input = Array.from({ length: 15 }, (_, at) => `Buoy number ${at}.`)
    const together = await client.embeddings.create({ model: 'tide-vectors', input })
    expect(together.data.map(({ index }) => index)).toEqual(input.map((_, index) => index))
    const alone = await client.embeddings.create({ model: 'tide-vectors', input: input[13] ?? '' })
    expect(together.data[13]?.embedding).toEqual(alone.data[0]?.embedding)
    expect(together.usage.prompt_tokens).toBe(input.reduce((sum, text) => sum + Math.ceil(text.length / 4), 0))
    const book = await bookOf(system.simulatedUrl, 'sim-embed')
    expect(book?.calls).toBeGreaterThanOrEqual(5)
  })

  test('of several clients become fewer calls, whoever of them leaves', async () => {
    const client = clientOf(system, owner.key)
    const ask = (input: string, signal?: AbortSignal) =>
      client.embeddings.create(
        { model: 'tide-together', input, encoding_format: 'float' },
        signal === undefined ? {} : { signal },
      )
    const calls = async () => (await bookOf(system.simulatedUrl, 'sim-embed-together'))?.calls ?? 0
    const alone = await ask('Buoy 2')
    // The first of a group, for which the others are sent, leaves before they are.
    const round = async () => {
      const before = await calls()
      const leaving = new AbortController()
      const left = ask('Buoy 0', leaving.signal).catch(String)
      const others = ['Buoy 1', 'Buoy 2'].map((input) => ask(input))
      setTimeout(() => leaving.abort(), 100)
      expect(await left).toContain('abort')
      const [other, same] = await Promise.all(others)
      expect(same?.data).toEqual(alone.data)
      expect(other?.data).not.toEqual(alone.data)
      return (await calls()) - before
    }
    expect(await eventually(round, (made) => made === 1)).toBe(1)
  })

  test('of tokens take the number of dimensions asked for', async () => {
    const client = clientOf(system, owner.key)
    const reply = await client.embeddings.create({ model: 'tide-vectors', input: [[1, 2, 3], [4]], dimensions: 3 })
    expect(reply.data.map(({ embedding }) => embedding.length)).toEqual([3, 3])
    expect(reply.usage.prompt_tokens).toBe(4)
  })

  test('one piece that fails fails the request, and the next target is asked for everything', async () => {
    const client = clientOf(system, owner.key)
    const input = ['a', 'b', 'c', 'd', 'e', 'f']
    const reply = await client.embeddings.create({ model: 'tide-second', input })
    expect(reply.data).toHaveLength(6)
    const failing = client.embeddings.create({ model: 'tide-vectors', input: [...input, 'break here'] })
    await expect(failing).rejects.toMatchObject({ status: 502, code: 'provider_error' })
  })

  test('whose provider counts nothing are estimated, and said to be', async () => {
    const client = clientOf(system, owner.key)
    const reply = await client.embeddings.create({ model: 'tide-uncounted', input: 'How deep is the harbour?' })
    expect(reply.data).toHaveLength(1)
    expect(await rowOf('tide-uncounted')).toMatchObject({ is_estimated: true })
  })

  test('that make no sense are refused by field, and those that no target can make by reason', async () => {
    const client = clientOf(system, owner.key)
    await expect(client.embeddings.create({ model: 'tide-vectors', input: [] })).rejects.toMatchObject({
      status: 400,
      param: 'input',
    })
    await expect(client.embeddings.create({ model: 'tide-talker', input: 'x' })).rejects.toMatchObject({
      status: 400,
      code: 'unsupported_parameter',
      param: 'model',
      message: expect.stringContaining('/v1/embeddings'),
    })
    await expect(client.embeddings.create({ model: 'nobody', input: 'x' })).rejects.toMatchObject({ status: 404 })
  })
})

test('documents are ranked, cut and given back', async () => {
  const body = {
    model: 'tide-judge',
    query: 'Which?',
    documents: ['reef', 'pier', 'mole'],
    top_n: 2,
    return_documents: true,
  }
  const response = await post('/v1/rerank', JSON.stringify(body), JSON_TYPE)
  const reply = z
    .object({
      results: z.array(
        z.object({ index: z.number(), relevance_score: z.number(), document: z.object({ text: z.string() }) }),
      ),
    })
    .parse(await response.json())
  expect(reply.results).toHaveLength(2)
  for (const { index, document } of reply.results) expect(document.text).toBe(body.documents[index])
  expect(response.headers.get('x-tidegate-target')).toBe('judge')
})

test('texts are judged', async () => {
  const client = clientOf(system, owner.key)
  const reply = await client.moderations.create({ model: 'tide-judge', input: ['Let us sink the ship.', 'Ahoy.'] })
  expect(reply.results.map(({ flagged }) => flagged)).toEqual([true, false])
})

describe('pictures', () => {
  test('come whole, with their tokens in the ledger', async () => {
    const client = clientOf(system, owner.key)
    const reply = await client.images.generate({ model: 'tide-picture', prompt: 'A lighthouse at dusk.' })
    expect(reply.data?.[0]?.b64_json).toMatch(/^iVBOR/)
    expect(await rowOf('tide-picture')).toMatchObject({ protocol: 'images', is_estimated: false })
  })

  test('come in part, as a stream', async () => {
    const client = clientOf(system, owner.key)
    const stream = await client.images.generate({
      model: 'tide-picture',
      prompt: 'A reef.',
      stream: true,
      partial_images: 1,
    })
    const types: string[] = []
    for await (const event of stream) types.push(event.type)
    expect(types).toEqual(['image_generation.partial_image', 'image_generation.completed'])
  })

  test('are made from others', async () => {
    const client = clientOf(system, owner.key)
    const image = await toFile(Buffer.from('picture'), 'reef.png', { type: 'image/png' })
    const reply = await client.images.edit({ model: 'tide-picture', image, prompt: 'More foam.' })
    expect(reply.data).toHaveLength(1)
  })
})

describe('sound', () => {
  test('is made of text, and arrives byte for byte', async () => {
    const client = clientOf(system, owner.key)
    const input = 'All hands on deck. '.repeat(500)
    const speech = await client.audio.speech.create({ model: 'tide-voice', voice: 'alloy', input })
    const bytes = new Uint8Array(await speech.arrayBuffer())
    expect(speech.headers.get('content-type')).toBe('audio/mpeg')
    expect(bytes).toHaveLength(input.length * 64)
    expect(bytes.every((byte, at) => byte === ((at * 37) & 255))).toBe(true)
  })

  test('is heard, the model named before or after the recording, a short one or a long one', async () => {
    const client = clientOf(system, owner.key)
    const long = Buffer.alloc(5_000_000, 7)
    for (const recording of [Buffer.from('ahoy'), long]) {
      const file = await toFile(recording, 'deck.wav')
      const heard = `${recording.length} bytes of deck.wav, the last is ${recording.at(-1)}, heard by sim-ear.`
      // The SDK puts the members in the order in which they are written.
      expect((await client.audio.transcriptions.create({ file, model: 'tide-ear' })).text).toBe(heard)
      expect((await client.audio.transcriptions.create({ model: 'tide-ear', file })).text).toBe(heard)
    }
    expect(
      (await client.audio.translations.create({ model: 'tide-ear', file: await toFile(long, 'x.wav') })).text,
    ).toContain('heard')
    expect(await rowOf('tide-ear')).toMatchObject({ is_estimated: false })
  })

  test('is transcribed as a stream', async () => {
    const client = clientOf(system, owner.key)
    const file = await toFile(Buffer.from('ahoy'), 'deck.wav')
    const stream = await client.audio.transcriptions.create({ file, model: 'tide-ear', stream: true })
    let text = ''
    for await (const event of stream) if (event.type === 'transcript.text.delta') text += event.delta
    expect(text).toContain('4 bytes of deck.wav')
  })

  test('without a model, or not in a form, is refused by name', async () => {
    const form = new FormData()
    form.set('file', new Blob(['ahoy']), 'deck.wav')
    const nameless = await post('/v1/audio/transcriptions', form)
    expect([nameless.status, await nameless.json()]).toMatchObject([400, { error: { param: 'model' } }])
    const typed = await post('/v1/audio/transcriptions', '{}', JSON_TYPE)
    expect([typed.status, await typed.json()]).toMatchObject([
      415,
      { error: { message: expect.stringContaining('multipart/form-data') } },
    ])
  })
})
