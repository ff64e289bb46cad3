// Prompts and replies: kept of whom it is wanted, once, as the client saw them, and never the reason for anything else.
import { afterEach, beforeEach, expect, describe, test, vi } from 'vitest'
import type { BodyPolicy } from '../../src/core/guard/redact.ts'
import type { JsonObject } from '../../src/core/json.ts'
import { serve } from '../../src/data-plane/serve.ts'
import { protocols } from '../support/registries.ts'
import { type PathWorld, WAYS, callerOf, ended, expectSettled, holdTime, pathWorld } from '../support/path-world.ts'
import { says } from '../support/scripted-provider.ts'
import { someTarget } from '../support/targets.ts'

const ALL: BodyPolicy = { samplePercent: 100, redact: [{ member: 'user' }], ttlDays: 3 }

beforeEach(holdTime)
afterEach(() => {
  vi.useRealTimers()
})

/** What was kept, of whom and for how long, when a body is asked for. */
async function keptOf(
  body: object,
  policy: BodyPolicy | undefined,
  options: { headers?: Record<string, string>; fails?: boolean; hasKey?: boolean; world?: PathWorld } = {},
) {
  const world = options.world ?? pathWorld([someTarget('a')])
  world.upstream = says
  if (policy !== undefined) world.caller = { ...callerOf(world), bodies: policy }
  const kept: { readonly body: JsonObject; readonly owner: object; readonly ttlDays: number }[] = []
  const lines: string[] = []
  const bodies = {
    keep: async (_: string, owner: object, body: JsonObject, ttlDays: number) => {
      if (options.fails === true) throw new Error('the store is away')
      kept.push({ body, owner, ttlDays })
    },
  }
  const response = await world.serve((services, later) => {
    const request = new Request('https://gateway.test/v1/chat/completions', {
      method: 'POST',
      headers: {
        authorization: 'Bearer tg_test_of_the_client',
        'content-type': 'application/json',
        ...options.headers,
      },
      body: JSON.stringify(body),
    })
    const log = { warn: (event: string) => void lines.push(event) }
    const own = options.hasKey === false ? {} : { bodies }
    return serve(request, protocols.chat, { ...services, ...own, log }, later)
  })
  const text = await ended(world, response)
  return { response, text, kept, lines, world }
}

describe.each(WAYS)('%s', (_, body) => {
  test('a body is kept once, of its owner, for its time, without what is hidden', async () => {
    const { kept, text, response } = await keptOf({ ...body, user: 'joe' }, ALL)
    expect(kept).toMatchObject([
      {
        owner: { tenantId: 'tenant', teamId: 'team' },
        ttlDays: 3,
        body: { status: 200, prompt: { user: '[redacted]', messages: [{ content: 'Hello?' }] }, reply_is_whole: true },
      },
    ])
    expect(JSON.stringify(kept[0]?.body['reply'])).toContain('Hello.')
    expect(text).toContain('Hello.')
    expect(response.headers.get('x-tidegate-target')).toBe('a')
  })

  test('the client gets the same bytes and headers whether one is kept or not', async () => {
    const [plain, watched] = [await keptOf(body, undefined), await keptOf(body, ALL)]
    const without = (text: string): string => text.replaceAll(/chatcmpl-[\w-]+/g, '')
    expect(without(watched.text)).toBe(without(plain.text))
    expect([...watched.response.headers.keys()]).toEqual([...plain.response.headers.keys()])
    expect(plain.kept).toEqual([])
  })

  test.each([
    ['a tenant that does not want it', undefined, {}],
    ['a share of none', { ...ALL, samplePercent: 0 }, {}],
    ['a request that keeps out', ALL, { headers: { 'x-tidegate-bodies': 'off' } }],
    ['no secret', ALL, { hasKey: false }],
    ['a store that is away', ALL, { fails: true }],
  ] as const)('nothing is kept, and all goes on: %s', async (_, policy, options) => {
    const { kept, lines, text, world } = await keptOf(body, policy, options)
    expect(kept).toEqual([])
    expect(text).toContain('Hello.')
    expectSettled(world)
    expect(lines).toEqual('hasKey' in options || 'fails' in options ? ['bodies-not-kept'] : [])
  })

  test('a refusal is kept as it was told', async () => {
    const world = pathWorld([someTarget('a')])
    world.refusal = () => ({ kind: 'unavailable' })
    const { kept } = await keptOf(body, ALL, { world })
    expect(kept).toMatchObject([{ body: { status: 503, reply: { error: { code: 'limiter_unavailable' } } } }])
  })
})
