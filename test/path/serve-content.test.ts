// What passes through the request path: what reaches the provider of a request and the client of an answer, and what the
// reply cache takes and gives.
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { type PathWorld, WAYS, caching, ended, expectSettled, holdTime, pathWorld } from '../support/path-world.ts'
import { contentEvent } from '../support/raw-provider.ts'
import { PROVIDER_HEADERS, ending, fails, says, streamed, whole } from '../support/scripted-provider.ts'
import { costingPicoUsd, someTarget } from '../support/targets.ts'

beforeEach(holdTime)
afterEach(() => {
  vi.useRealTimers()
})

const QUESTION = WAYS[0][1].messages
const PRICE = costingPicoUsd(1_000_000, 2_000_000)

describe('what reaches the provider', () => {
  test('is the body to the byte where nothing has to change', async () => {
    const large = 'x'.repeat(20_000)
    for (const content of ['Grüße \\u00fc 潮', large]) {
      const world = pathWorld([someTarget('a', { model: '*' })])
      world.upstream = (call) => says(call)
      const text = `{ "messages":[{"role" : "user","content":"${content}"}],\n\t"unknown": 1.0, "model" : "asked" }`
      await ended(world, await world.ask(text))
      expect(world.calls[0]?.text).toBe(text)
    }
  })

  test.each([
    ['{"model":"dear","messages":[{"role":"user","content":"Hi"}],"model":"asked"}', { model: 'asked' }],
    ['{"model":"asked","mod\\u0065l":"asked","messages":[{"role":"user","content":"Hi"}]}', { model: 'asked' }],
    ['{"model":"asked","max_tokens":9,"max_tokens":5,"messages":[{"role":"user","content":"Hi"}]}', { max_tokens: 5 }],
  ])('says nothing twice: %s', async (text, expected) => {
    for (const dialect of ['openai-chat', 'anthropic-messages'] as const) {
      const world = pathWorld([someTarget('a', { model: '*', dialect })])
      world.upstream = (call) => says(call)
      await ended(world, await world.ask(text))
      const sent = world.calls[0]?.text ?? ''
      expect(JSON.parse(sent)).toMatchObject(expected)
      for (const name of ['model', 'max_tokens']) expect(sent.split(`"${name}"`).length).toBeLessThanOrEqual(2)
      expect(sent).not.toContain('dear')
    }
  })

  test("names the target's model, and leaves the rest to the byte", async () => {
    const world = pathWorld([someTarget('a', { model: 'real/model' })])
    world.upstream = (call) => says(call)
    const text = '{ "messages":[{"role":"user","content":"model"}], "x": 1.50,"model" : "asked" }'
    await ended(world, await world.ask(text))
    expect(world.calls[0]?.text).toBe(text.replace('"asked"', '"real/model"'))
  })

  test.each([
    ['was not asked for', {}, false],
    ['was asked for', { stream_options: { include_usage: true } }, true],
  ])('asks for usage that %s, and shows it accordingly', async (_, options, isShown) => {
    const world = pathWorld([someTarget('a', { model: '*' })])
    world.upstream = (call) => says(call)
    const body = JSON.stringify({ model: 'asked', messages: QUESTION, stream: true, ...options })
    const text = await ended(world, await world.ask(body))
    const sent = world.calls[0]?.text ?? ''
    expect(JSON.parse(sent)).toEqual({ ...JSON.parse(body), stream_options: { include_usage: true } })
    if (isShown) expect(sent).toBe(body)
    expect(text.includes('prompt_tokens')).toBe(isShown)
    expect(text.endsWith('data: [DONE]\n\n')).toBe(true)
    expect(expectSettled(world)).toMatchObject([{ usage: { input: 10, output: 5 }, isEstimated: false }])
  })

  test.each([
    ['money is limited and the client named no bound', true, {}, { max_completion_tokens: 1_000 }],
    ['money is limited and the client named one', true, { max_tokens: 9_000 }, { max_tokens: 9_000 }],
    [
      'money is limited and the client named two',
      true,
      { max_tokens: 100, max_completion_tokens: 9_000 },
      { max_tokens: 100, max_completion_tokens: 100 },
    ],
    ['money is not limited', false, {}, {}],
  ])('has an output bound of ours only where it must: %s', async (_, limitsMoney, given, sent) => {
    for (const stream of [true, false]) {
      const world = pathWorld([someTarget('a', { model: '*', maxOutputTokens: 1_000, price: PRICE })])
      world.limitsMoney = limitsMoney
      world.upstream = (call) => says(call)
      await ended(world, await world.ask({ model: 'asked', messages: QUESTION, stream, ...given }))
      const usage = stream ? { stream_options: { include_usage: true } } : {}
      expect(JSON.parse(world.calls[0]?.text ?? '')).toEqual({
        model: 'asked',
        messages: QUESTION,
        stream,
        ...sent,
        ...usage,
      })
    }
  })

  describe('of a large body', () => {
    const LARGE = 'He said: "why \\ not?"\n{"a": "b"}, '.repeat(600)
    const large = (content: unknown, rest: object = {}): string =>
      JSON.stringify({ messages: [{ role: 'user', content }], ...rest, model: 'asked' }, null, 1)
    const sentOf = async (text: string, model: string): Promise<string> => {
      const world = pathWorld([someTarget('a', { model, maxOutputTokens: 1_000, price: PRICE })])
      world.upstream = (call) => says(call)
      world.limitsMoney = true
      await ended(world, await world.ask(text))
      return world.calls[0]?.text ?? ''
    }

    test('is all of it to the byte where nothing has to change', async () => {
      const text = large(LARGE, { max_tokens: 5 })
      expect((await sentOf(text, '*')) === text).toBe(true)
    })

    test('is all of it but for what has to change', async () => {
      for (const rest of [
        { stream: true },
        { max_tokens: 9_000 },
        { tidegate: { note: LARGE } },
        { tidegate: { note: 1 }, x: LARGE },
      ]) {
        const parts = [
          { type: 'text', text: LARGE },
          { type: 'image_url', image_url: { url: `data:image/png,${LARGE}` } },
        ]
        const sent: unknown = JSON.parse(await sentOf(large(parts, rest), 'real/model'))
        const { tidegate: _, ...kept } = { tidegate: null, ...rest }
        expect(sent).toMatchObject({ model: 'real/model', messages: [{ role: 'user', content: parts }] })
        if ('x' in kept) expect(sent).toMatchObject({ x: LARGE })
        expect(JSON.stringify(sent)).not.toMatch(/"tidegate|stand-in/)
      }
    })

    test('is nothing where it is no JSON, however deep inside', async () => {
      for (const wrong of ['\n', '\\x', '\\u12', '"']) {
        const world = pathWorld([someTarget('a', { model: '*' })])
        const text = large('MIDDLE').replace('MIDDLE', `${'x'.repeat(9_000)}${wrong}${'y'.repeat(9_000)}`)
        const answer = await world.ask(text)
        expect(answer.status).toBe(400)
        expect(await answer.text()).toContain('not valid JSON')
        expect(world.calls).toEqual([])
      }
    })

    test('is refused by the name of its model, however long that is', async () => {
      const world = pathWorld([someTarget('a', { model: '*' })])
      world.upstream = (call) => says(call)
      const model = `asked-${'x'.repeat(9_000)}`
      const answer = await world.ask(JSON.stringify({ model, messages: QUESTION }))
      expect(await answer.text()).not.toContain('stand-in')
    })

    test('is estimated by what a model reads of it', async () => {
      const words = 'some ordinary words of a prompt and their "quotes", '.repeat(400)
      const tokensOf = async (content: unknown): Promise<number> => {
        const world = pathWorld([someTarget('a', { model: '*' })])
        world.upstream = (call) => says(call)
        await ended(world, await world.ask(large(content, { max_tokens: 1 })))
        return world.admitted[0]?.amounts.inputTokens ?? 0
      }
      const tokens = await tokensOf(words)
      expect(tokens).toBeGreaterThan(400 * 8)
      expect(tokens).toBeLessThan(400 * 18)
      const picture = { type: 'image_url', image_url: { url: `data:image/png;base64,${'A'.repeat(50_000)}` } }
      const withPicture = await tokensOf([{ type: 'text', text: words }, picture])
      // The picture is counted as a picture, and not as text.
      expect(Math.abs(withPicture - tokens - 4_160)).toBeLessThan(5)
    })
  })

  test('are what a request is for, in the ledger: feature, session, prompt with its version, metadata', async () => {
    const headers = {
      'x-tidegate-tags': 'nightly',
      'x-tidegate-feature': 'search',
      'x-tidegate-session': 's-1, of two',
      'x-tidegate-prompt': 'summarise@v3',
      'x-tidegate-metadata': JSON.stringify({ customer: 42, isTrial: false, list: [1], user_id: 'u', empty: ' ' }),
    }
    for (const [, body] of WAYS) {
      const world = pathWorld([someTarget('a')])
      world.upstream = says
      await ended(world, await world.ask({ ...body, metadata: { env: 'prod', deep: {} } }, { headers }))
      expect(expectSettled(world, true)[0]?.tags).toEqual([
        'nightly',
        'feature:search',
        'session:s-1  of two',
        'prompt:summarise',
        'prompt:summarise@v3',
        'customer:42',
        'isTrial:false',
        'env:prod',
      ])
    }
  })

  test('that are no names, or too many, are none, and nothing is refused for them', async () => {
    const all = Object.fromEntries(Array.from({ length: 40 }, (_, at) => [`m${at}`, 'x'.repeat(500)]))
    for (const metadata of ['not JSON', '[1]', JSON.stringify(all)]) {
      const world = pathWorld([someTarget('a')])
      world.upstream = says
      const headers = { 'x-tidegate-metadata': metadata, 'x-tidegate-prompt': '@2', 'x-tidegate-feature': '' }
      await ended(world, await world.ask(WAYS[0][1], { headers }))
      expect(expectSettled(world, true)[0]?.tags).toEqual(['prompt:@2'])
    }
    const world = pathWorld([someTarget('a')])
    world.upstream = says
    await ended(world, await world.ask({ ...WAYS[0][1], metadata: all }))
    const tags = expectSettled(world, true)[0]?.tags ?? []
    expect([tags.length, ...new Set(tags.map(({ length }) => length))]).toEqual([16, 128])
  })

  test("are none of the client's headers, and on its way back none of the provider's", async () => {
    const headers = {
      cookie: 'session=of-the-client',
      'x-api-key': 'of the client',
      'openai-organization': 'org-of-the-client',
      'x-forwarded-for': '10.0.0.1',
      'x-tidegate-tags': 'a',
      'x-trace-id': 'trace-1',
    }
    for (const [, body] of WAYS) {
      for (const upstream of [says, (call: Parameters<typeof says>[0]) => fails(call, 'client')]) {
        const world = pathWorld([someTarget('a')])
        world.upstream = upstream
        const response = await world.ask(body, { headers })
        await ended(world, response)
        expect(world.calls[0]?.headers).toEqual({ 'content-type': 'application/json' })
        expect(world.calls[0]?.text).not.toContain('of-the-client')
        for (const [name, value] of Object.entries(PROVIDER_HEADERS)) expect(response.headers.get(name)).not.toBe(value)
        expect(response.headers.get('set-cookie')).toBeNull()
        expect(response.headers.get('openai-organization')).toBeNull()
        expect(response.headers.get('x-trace-id')).toBe('trace-1')
        expect(response.headers.get('x-tidegate-request-id')).toBe('id-1')
        expect(response.headers.get('x-tidegate-route')).toBe('asked')
        expect(response.headers.get('x-tidegate-cache')).toBe('off')
      }
    }
  })

  test('what answers tells who it is', async () => {
    const world = pathWorld([someTarget('a', { model: 'real ☂', provider: 'acme' })])
    world.upstream = (call) => says(call)
    const response = await world.ask(WAYS[0][1])
    await ended(world, response)
    expect(Object.fromEntries(response.headers)).toMatchObject({
      'content-type': 'application/json',
      'x-request-id': 'id-1',
      'x-tidegate-provider': 'acme',
      'x-tidegate-model': 'real__',
      'x-tidegate-target': 'a',
      'x-tidegate-attempts': '1',
      'x-tidegate-cost-usd': '0.000000000',
    })
  })
})

describe('the cache', () => {
  test.each(WAYS)('what was asked %s is replayed both ways, the same', async (_, body) => {
    const world = caching(pathWorld([someTarget('a', { maxRetries: 0 })]))
    world.upstream = (call) => says(call, 'A reply – 潮')
    await ended(world, await world.ask(body))
    expect(world.cache.size).toBe(1)
    const plain = { model: 'asked', messages: QUESTION }
    const asWhole = await world.ask(plain)
    const asStream = await world.ask({ ...plain, stream: true, stream_options: { include_usage: true } })
    expect(world.calls).toHaveLength(1)
    for (const response of [asWhole, asStream]) expect(response.headers.get('x-tidegate-cache')).toBe('hit')
    const reply: unknown = JSON.parse(await asWhole.text())
    expect(reply).toMatchObject({
      choices: [{ message: { content: 'A reply – 潮' }, finish_reason: 'stop' }],
      usage: { total_tokens: 15 },
    })
    const frames = (await asStream.text()).split('\n\n').filter((frame) => frame !== '')
    expect(frames.pop()).toBe('data: [DONE]')
    const chunks = frames.map((frame): unknown => JSON.parse(frame.slice('data: '.length)))
    expect(JSON.stringify(chunks)).toContain('A reply – 潮')
    expect(chunks.at(-1)).toMatchObject({ choices: [], usage: { total_tokens: 15 } })
    expect(world.recorded).toMatchObject([
      { cache: 'hit', attempt: 0, status: 200, costNanoUsd: 0, streamed: false },
      { cache: 'hit', attempt: 0, status: 200, costNanoUsd: 0, streamed: true },
    ])
    expect(world.admitted).toHaveLength(1)
  })

  const toolCall = { index: 0, id: 'call_1', type: 'function', function: { name: 'f', arguments: '{}' } }
  const NEVER: readonly (readonly [string, PathWorld['upstream'], PathWorld['upstream']])[] = [
    [
      'cut short',
      () => new Response('{"choices":[{"index":0,"message":{"content":"Half'),
      (call) => streamed(call, [contentEvent('Half')]),
    ],
    ['at its bound', (call) => says(call, 'Long', 'length'), (call) => says(call, 'Long', 'length')],
    ['filtered', (call) => says(call, 'x', 'content_filter'), (call) => says(call, 'x', 'content_filter')],
    [
      'a refusal',
      () =>
        Response.json({ ...whole(''), choices: [{ index: 0, message: { refusal: 'No.' }, finish_reason: 'stop' }] }),
      (call) => streamed(call, [contentEvent('').replace('"content":""', '"refusal":"No."'), ending()]),
    ],
    [
      'a tool call',
      () =>
        Response.json({
          ...whole(''),
          choices: [{ index: 0, message: { tool_calls: [toolCall] }, finish_reason: 'tool_calls' }],
        }),
      (call) =>
        streamed(call, [
          contentEvent('').replace('"content":""', `"tool_calls":[${JSON.stringify(toolCall)}]`),
          ending('tool_calls'),
        ]),
    ],
    ['a failure', (call) => fails(call, 'server'), (call) => fails(call, 'server')],
    [
      'a failure in the middle',
      () => Response.json({ error: { message: 'no' } }),
      (call) => streamed(call, [contentEvent('a'), 'data: {"error":{"message":"no"}}\n\n', ending()]),
    ],
  ]

  test.each(NEVER)('keeps nothing that is %s', async (_, onWhole, onStream) => {
    for (const [way, body] of WAYS) {
      const world = caching(pathWorld([someTarget('a', { maxRetries: 0 })]))
      world.upstream = way === 'whole' ? onWhole : onStream
      const response = await world.ask(body)
      await ended(world, response)
      expect(response.headers.get('x-tidegate-cache')).toBe('miss')
      expect(world.cache.size, way).toBe(0)
      expectSettled(world)
    }
  })

  test('keeps nothing of a stream that its reader left', async () => {
    const world = caching(pathWorld([someTarget('a', { maxRetries: 0 })]))
    world.upstream = (call) => says(call)
    const response = await world.ask(WAYS[1][1])
    await response.body?.cancel()
    await world.finish()
    expect(world.cache.size).toBe(0)
    expect(expectSettled(world)).toMatchObject([{ ending: 'client-left' }])
  })
})
