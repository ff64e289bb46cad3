// The simulated Ollama, Cohere and in-house server, called by the dialects that speak to the real ones: a stream and a
// whole reply say the same, faults are faults.
import { describe, expect, test } from 'vitest'
import { findProvider } from '../../src/catalog/providers.ts'
import type { Target } from '../../src/core/directory.ts'
import { fold } from '../../src/core/reply/fold.ts'
import { parseJson } from '../../src/core/json.ts'
import type { NeutralReply, NeutralRequest } from '../../src/core/neutral.ts'
import { framerFor } from '../../src/data-plane/framing/index.ts'
import { dialects } from '../support/registries.ts'
import { handleSimulated } from '../../src/simulated/handle-simulated.ts'
import { instantClock } from '../support/simulated.ts'
import { TARGET } from '../support/target.ts'

const REQUEST: NeutralRequest = {
  model: 'sim-any',
  stream: false,
  includeUsage: true,
  messages: [{ role: 'user', parts: [{ kind: 'text', text: 'Why does the tide come in twice a day?' }] }],
  tools: [],
  extra: {},
}

function targetOf(name: string): Target {
  const provider = findProvider(`simulated-${name}`)
  if (provider === undefined) throw new Error(`no provider simulated-${name}`)
  const { dialect, baseUrl, declared } = provider
  const description = declared === undefined ? {} : { declared }
  return { ...TARGET, dialect, baseUrl: baseUrl ?? '', model: '*', ...description }
}

async function ask(name: string, request: NeutralRequest, key = 'any'): Promise<NeutralReply> {
  const target = targetOf(name)
  const dialect = dialects[target.dialect]
  const call = dialect.write(request, target, { model: null, forceUsage: false, maxOutputTokens: null })
  const url = target.baseUrl.replace('service://SIMULATED', 'http://simulated') + call.path
  const headers = { ...call.headers, authorization: `Bearer ${key}` }
  const response = await handleSimulated(new Request(url, { method: 'POST', headers, body: call.body }), instantClock())
  if (!response.ok) {
    const failure = dialect.fail(response.status, response.headers, await response.text(), 0)
    return { id: '', model: '', createdSeconds: null, choices: [], usage: null, failure }
  }
  if (!request.stream) return fold(dialect.read(parseJson(await response.text()) ?? null, target))
  const framer = framerFor(dialect, target, response.headers.get('content-type'))
  const reader = dialect.reader(target)
  const frames = []
  try {
    for await (const chunk of response.body ?? []) frames.push(...framer.push(chunk))
  } catch {
    // The connection broke: what came before it counts.
  }
  const events = [...frames, ...framer.end()].flatMap((frame) => reader.push(frame))
  return fold([...events, ...reader.end()])
}

/** What a reply says, whichever call it came from. */
function said({ choices, usage, failure }: NeutralReply): unknown {
  const parts = choices.flatMap((choice) => choice.parts)
  const shown = parts.map((part) => (part.kind === 'tool-call' ? [part.name, parseJson(part.argumentsText)] : part))
  return { shown, finish: choices.map(({ finish }) => finish), usage, failure }
}

const NAMES = ['ollama', 'cohere', 'inhouse']

describe.each(NAMES)('the simulated %s', (name) => {
  test('says the same in a stream and whole, however its writes are cut', async () => {
    const whole = await ask(name, REQUEST)
    expect(whole.failure).toBeNull()
    expect(whole.choices[0]?.finish).toBe('stop')
    expect(whole.usage?.output).toBeGreaterThan(30)
    expect(said(await ask(name, { ...REQUEST, stream: true }))).toEqual(said(whole))
    const split = { ...REQUEST, model: 'sim-any-split-lumps7' }
    expect(said(await ask(name, { ...split, stream: true }))).toEqual(said(await ask(name, split)))
  })

  test('keeps to the bound', async () => {
    const short = { ...REQUEST, maxOutputTokens: 5 }
    for (const stream of [true, false]) {
      const reply = await ask(name, { ...short, stream })
      expect(reply.choices[0]?.finish).toBe('length')
      expect(reply.usage?.output).toBe(5)
    }
  })

  test.each([
    ['cut5', 'stream'],
    ['errchunk5', 'server'],
    ['garbage5', 'stream'],
    ['truncated', 'stream'],
  ])('fails in mid-stream as its name says: -%s', async (word, failureClass) => {
    const reply = await ask(name, { ...REQUEST, model: `sim-any-${word}`, stream: true })
    expect(reply.failure?.class).toBe(failureClass)
    expect(reply.choices[0]?.parts[0]?.kind).toBe('text')
  })

  test('refuses as its name says, and who has no key', async () => {
    const busy = await ask(name, { ...REQUEST, model: 'sim-any-e429' })
    expect(busy.failure).toMatchObject({ class: 'throttled', retryAfterMs: 2000 })
    expect((await ask(name, { ...REQUEST, model: 'sim-any-err200' })).failure?.message).toMatch(/error/)
    expect((await ask(name, REQUEST, 'invalid')).failure?.class).toBe('credential')
  })
})

describe.each(['ollama', 'cohere'])('the simulated %s', (name) => {
  test('calls tools, thinks, and fits a schema', async () => {
    const parameters = { type: 'object', properties: { place: { type: 'string' } }, required: ['place'] }
    const tools = ['get_tide', 'get_wind'].map((tool) => ({ name: tool, parameters }))
    const schema = { type: 'object', properties: { high: { type: 'integer' } }, required: ['high'] }
    const format = { kind: 'json-schema', name: 'tide', schema, strict: true } as const
    for (const stream of [true, false]) {
      const called = await ask(name, { ...REQUEST, stream, tools })
      const names = called.choices[0]?.parts.flatMap((part) => (part.kind === 'tool-call' ? [part.name] : []))
      expect(names).toEqual(['get_tide', 'get_wind'])
      expect(called.choices[0]?.finish).toBe('tool-calls')
      const thought = await ask(name, { ...REQUEST, stream, reasoning: { effort: 'high' } })
      expect(thought.choices[0]?.parts.map(({ kind }) => kind)).toEqual(['reasoning', 'text'])
      const [part] = (await ask(name, { ...REQUEST, stream, responseFormat: format })).choices[0]?.parts ?? []
      expect(parseJson(part?.kind === 'text' ? part.text : '')).toMatchObject({ high: expect.any(Number) })
    }
  })
})
