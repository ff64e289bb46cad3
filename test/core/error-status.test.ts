// What each odd status of a provider leads to: whether the target is asked again, whether the next one is, and what the
// breaker hears. By the letter, so that a changed class shows what it changes.
import { describe, expect, test } from 'vitest'
import { outcomeOf } from '../../src/core/health/breaker.ts'
import { blameOf } from '../../src/core/failure.ts'
import { mayFallBack, mayRetrySameTarget } from '../../src/core/health/retry.ts'
import { readErrorBody, readErrorResponse } from '../../src/dialects/failures/provider-error.ts'

const NO_HEADERS = { get: () => null }

function classOf(status: number, message = 'Something.') {
  return readErrorResponse(status, NO_HEADERS, JSON.stringify({ error: { message } }), 0).class
}

describe('a status', () => {
  test.each([
    // [status, again, next, breaker hears, whose]
    [400, false, false, false, 'client'],
    [404, false, false, false, 'client'],
    [405, false, true, false, 'operator'],
    [406, false, true, false, 'operator'],
    [407, false, true, false, 'operator'],
    [408, false, true, true, 'provider'],
    [409, true, true, true, 'provider'],
    [410, false, true, false, 'operator'],
    [413, false, false, false, 'client'],
    [415, false, true, false, 'operator'],
    [418, false, false, false, 'client'],
    [421, true, true, true, 'provider'],
    [422, false, false, false, 'client'],
    [423, true, true, true, 'provider'],
    [424, true, true, true, 'provider'],
    [425, true, true, true, 'provider'],
    [426, false, true, false, 'operator'],
    [451, false, true, false, 'operator'],
    [498, true, true, false, 'provider'],
    [499, true, true, true, 'provider'],
    [500, true, true, true, 'provider'],
    [501, false, true, false, 'operator'],
    [502, true, true, true, 'provider'],
    [503, true, true, false, 'provider'],
    [504, true, true, true, 'provider'],
    [505, false, true, false, 'operator'],
    [507, true, true, true, 'provider'],
    [508, false, true, false, 'operator'],
    [511, false, true, false, 'operator'],
    [520, true, true, true, 'provider'],
    [521, true, true, true, 'provider'],
    [522, true, true, true, 'provider'],
    [523, true, true, true, 'provider'],
    [524, false, true, true, 'provider'],
    [525, true, true, true, 'provider'],
    [526, true, true, true, 'provider'],
    [527, true, true, true, 'provider'],
    [529, true, true, false, 'provider'],
    [530, true, true, true, 'provider'],
  ] as const)(
    '%i: again %s, the next one %s, told of to the breaker %s, for the %s',
    (status, again, next, heard, whose) => {
      const failure = classOf(status)
      expect([
        mayRetrySameTarget(failure),
        mayFallBack(failure),
        outcomeOf(failure) !== 'ignored',
        blameOf(failure),
      ]).toEqual([again, next, heard, whose])
    },
  )

  test('that forbids the prompt itself is the client’s to see to', () => {
    expect(classOf(451, 'The prompt violates our usage guidelines.')).toBe('client')
    expect(classOf(451, 'Not available in your region.')).toBe('incapable')
  })

  test('of what is not made for it is known by its words too, where there is none', () => {
    expect(readErrorBody({ error: { status: 'UNIMPLEMENTED', message: 'Operation is not implemented.' } }).class).toBe(
      'incapable',
    )
    expect(readErrorBody({ error: { code: 501, message: 'x' } })).toMatchObject({ class: 'incapable', status: 501 })
  })
})
