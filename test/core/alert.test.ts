// Shares of a budget that are used are told of once a window, and again when the budget is raised and they are used again.
import { expect, test } from 'vitest'
import { LIMITS_VERSION, type LimiterCall, NOTHING } from '../../src/core/limits/limits.ts'
import { configOf, node, receiver } from '../support/limiter-receiver.ts'

const NOON_MS = Date.UTC(2026, 10, 21, 12)
const config = (amountNanoUsd: number, revision: number) =>
  configOf([node('key', 'k', { budget: { amountNanoUsd, period: 'day' } })], revision)

test('a budget that is raised tells of its shares again, one that stays or is lowered does not', () => {
  const limiter = receiver(config(1_000, 1), NOON_MS)
  let number = 0
  const spend = (nanoUsd: number): readonly (readonly number[])[] => {
    number += 1
    const leaseId = `h:${number}`
    const need = { ...NOTHING, nanoUsd }
    const path = { tenantId: 't', teamId: null, keyId: 'k', model: 'm' }
    const want = { leaseId, isNew: true, path, need, target: need, first: need, unheardNanoUsd: 0 }
    const message: Omit<LimiterCall, 'number'> = {
      v: LIMITS_VERSION,
      tenantId: 't',
      holder: 'h',
      reports: [],
      admissions: [],
      chunks: [],
      wants: [],
    }
    limiter.call({ ...message, number: 2 * number, wants: [want] }, NOON_MS)
    const report = { leaseId, keyId: 'k', settled: need, returned: NOTHING, isDone: true }
    limiter.call({ ...message, number: 2 * number + 1, reports: [report] }, NOON_MS)
    return limiter.crossings.splice(0).map(({ percent, limitNanoUsd }) => [percent, limitNanoUsd])
  }
  expect(spend(900)).toEqual([
    [50, 1_000],
    [80, 1_000],
  ])
  limiter.configure(config(1_000, 2), NOON_MS)
  expect(spend(1)).toEqual([])
  limiter.configure(config(1_700, 3), NOON_MS)
  expect(spend(1), 'more than half is used of the raised one, too').toEqual([])
  expect(spend(500)).toEqual([[80, 1_700]])
  limiter.configure(config(1_600, 4), NOON_MS)
  expect(spend(1)).toEqual([])
  expect(spend(197)).toEqual([[100, 1_600]])
})
