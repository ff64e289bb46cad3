// Feedback through the gateway's own door: by virtual key, for the tenant's own requests, and in reports by model.
import { applyD1Migrations } from 'cloudflare:test'
import { env, exports } from 'cloudflare:workers'
import { beforeAll, describe, expect, it } from 'vitest'
import type * as gateway from '../../src/gateway.ts'
import { COMMENT_CHARS_MAX, readFeedback } from '../../src/ledger/feedback.ts'
import { report } from '../../src/ledger/report.ts'
import { deliverAll, eventAt, messagesOf } from '../support/ledger-events.ts'

declare global {
  // oxlint-disable-next-line typescript/no-namespace -- how the platform types its exports
  namespace Cloudflare {
    interface GlobalProps {
      mainModule: typeof gateway
    }
  }
}

const NOON_MS = Date.UTC(2026, 10, 20, 12)

beforeAll(() => applyD1Migrations(env.DB, env.TEST_MIGRATIONS))

interface Answer {
  readonly status: number
  readonly body: { readonly id?: string; readonly key?: string; readonly error?: unknown }
}

async function post(path: string, key: string, body: object): Promise<Answer> {
  const headers = { authorization: `Bearer ${key}`, 'content-type': 'application/json' }
  const request = new Request(`https://gateway${path}`, { method: 'POST', headers, body: JSON.stringify(body) })
  const response = await exports.default.fetch(request)
  return { status: response.status, body: await response.json() }
}

const asAdmin = (path: string, body: object) => post(`/admin${path}`, 'admin-token-of-the-tests', body)

async function newTenant(name: string): Promise<{ id: string; key: string }> {
  const { body } = await asAdmin('/tenants', { name })
  const made = await asAdmin('/keys', { tenant: name, name: 'web' })
  return { id: body.id ?? '', key: made.body.key ?? '' }
}

describe('feedback', () => {
  it('is taken for a request of the own tenant, the latest counts, and reports have it by model', async () => {
    const [own, other] = [await newTenant('own'), await newTenant('other')]
    const failedFirst = [
      eventAt(NOON_MS, 1, { tenantId: own.id, attempt: 1, isFinal: false, model: 'm-failed' }),
      eventAt(NOON_MS, 1, { tenantId: own.id, attempt: 2, model: 'm-good' }),
    ]
    const second = eventAt(NOON_MS + 1, 2, { tenantId: own.id, model: 'm-good' })
    const third = eventAt(NOON_MS + 2, 3, { tenantId: own.id, model: 'm-other' })
    await deliverAll(env.DB, messagesOf([...failedFirst, second, third], 10), NOON_MS)
    const give = (request_id: string, rest: object, key = own.key) => post('/v1/feedback', key, { request_id, ...rest })

    expect(await give(second.requestId, { score: -1 })).toMatchObject({ status: 201 })
    expect(await give(second.requestId, { score: 0.5, comment: 'better' })).toMatchObject({
      status: 201,
      body: { object: 'feedback', score: 0.5, comment: 'better' },
    })
    expect(await give(failedFirst[0]?.requestId ?? '', { score: 'thumbs_up' })).toMatchObject({ status: 201 })
    expect(await give(third.requestId, { score: 'bad' })).toMatchObject({ status: 201 })

    // Another tenant's request is as good as none.
    for (const refused of [await give(third.requestId, { score: 1 }, other.key), await give('nothing', { score: 1 })]) {
      expect(refused).toMatchObject({
        status: 404,
        body: { error: { code: 'request_not_found', param: 'request_id' } },
      })
    }
    expect(await give(third.requestId, { score: 1 }, 'no-key')).toMatchObject({ status: 401 })
    expect(await give(third.requestId, { score: 2 })).toMatchObject({
      status: 400,
      body: { error: { param: 'score' } },
    })
    expect(await give(third.requestId, { score: 1, comment: 'x'.repeat(40_000) })).toMatchObject({ status: 413 })

    const found = await report(env.DB, {
      fromMs: NOON_MS,
      toMs: NOON_MS + 10,
      metrics: ['feedback', 'requests'],
      groupBy: ['model'],
      filters: { tenant: [own.id] },
      limit: 10,
      isCompared: false,
    })
    expect(found.ok && found.value.rows.map(({ values }) => values)).toMatchObject([
      { model: 'm-good', feedback_count: 2, feedback_mean: 0.75, requests: 2 },
      { model: 'm-other', feedback_count: 1, feedback_mean: -1, requests: 1 },
      { model: 'm-failed', feedback_count: 0, feedback_mean: null, requests: 0 },
    ])
  })

  it('compares prompts and their versions, with what they cost, among all that is tagged', async () => {
    const own = await newTenant('prompts')
    const events = ['one@1', 'one@2', 'one@2', 'two@1'].map((prompt, at) => {
      const [name] = prompt.split('@')
      const tags = ['feature:search', `prompt:${name}`, `prompt:${prompt}`]
      return eventAt(NOON_MS + at, 20 + at, {
        tenantId: own.id,
        tags,
        endUser: `user-${at % 2}`,
        costNanoUsd: 10 ** at,
      })
    })
    await deliverAll(env.DB, messagesOf(events, 10), NOON_MS)
    const scores = [-1, 0.5, 1, 0]
    for (const [at, { requestId }] of events.entries()) {
      const given = { request_id: requestId, score: scores[at] }
      expect(await post('/v1/feedback', own.key, given)).toMatchObject({ status: 201 })
    }
    const asked = async (groupBy: 'tag' | 'end_user', filters: object) => {
      const stretch = { fromMs: NOON_MS, toMs: NOON_MS + 10, limit: 10, isCompared: false }
      const metrics = ['spend', 'feedback'] as const
      const found = await report(env.DB, {
        ...stretch,
        metrics,
        groupBy: [groupBy],
        filters: { tenant: [own.id], ...filters },
      })
      return found.ok ? found.value.rows.map(({ values }) => Object.values(values)) : found.error
    }
    expect(await asked('tag', { tag: ['prompt:*'] })).toEqual([
      ['prompt:two', '1000', 1, 0],
      ['prompt:two@1', '1000', 1, 0],
      ['prompt:one', '111', 3, 0.1667],
      ['prompt:one@2', '110', 2, 0.75],
      ['prompt:one@1', '1', 1, -1],
    ])
    expect(await asked('tag', { tag: ['prompt:one@1', 'feature:*'] })).toEqual([
      ['feature:search', '1111', 4, 0.125],
      ['prompt:one@1', '1', 1, -1],
    ])
    expect(await asked('end_user', {})).toEqual([
      ['user-1', '1010', 2, 0.25],
      ['user-0', '101', 2, 0],
    ])
  })

  it('is refused by the name of the field that is wrong', () => {
    const fieldOf = (body: Parameters<typeof readFeedback>[0]) => {
      const read = readFeedback(body)
      return read.ok ? read.value.scoreMilli : read.error.field
    }
    const request_id = 'r'
    expect([-1, 1, 0, 0.1234, 'neutral'].map((score) => fieldOf({ request_id, score }))).toEqual([
      -1000, 1000, 0, 123, 0,
    ])
    for (const score of [1.01, -1.01, '1', 'great', null, true, 'toString']) {
      expect(fieldOf({ request_id, score })).toBe('score')
    }
    expect(fieldOf({ score: 1 })).toBe('request_id')
    expect(fieldOf({ request_id, score: 1, comment: 'x'.repeat(COMMENT_CHARS_MAX + 1) })).toBe('comment')
    expect(fieldOf({ request_id, score: 1, colour: 'red' })).toBe('colour')
    expect(fieldOf([])).toBeNull()
  })
})
