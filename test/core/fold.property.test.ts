// Folding and unfolding are each other's inverse.
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { NeutralEvent } from '../../src/core/neutral.ts'
import { fold, isWhole, unfold } from '../../src/core/reply/fold.ts'
import { anyReply } from '../contracts/any-reply.ts'
import { orderObjection } from '../contracts/event-order.ts'

describe('fold', () => {
  test('the events of a reply fold to it again, and their order is legal', () => {
    fc.assert(
      fc.property(anyReply, (reply) => {
        expect(orderObjection(unfold(reply))).toBeNull()
        expect(fold(unfold(reply))).toEqual(reply)
        expect(isWhole(reply)).toBe(true)
      }),
    )
  })

  test('how the text is cut into deltas makes no difference', () => {
    fc.assert(
      fc.property(anyReply, (reply) => {
        const finer = unfold(reply).flatMap((event): readonly NeutralEvent[] =>
          event.type === 'part-delta' ? [...event.text].map((text) => ({ ...event, text })) : [event],
        )
        expect(fold(finer)).toEqual(reply)
      }),
    )
  })

  test('a reply without all its finishes, or with a failure, is not whole', () => {
    const failure = {
      class: 'stream',
      status: 0,
      message: 'm',
      code: null,
      type: null,
      param: null,
      retryAfterMs: null,
    } as const
    fc.assert(
      fc.property(anyReply, (reply) => {
        const events = unfold(reply)
        expect(isWhole(fold(events.filter((event) => event.type !== 'finish')))).toBe(false)
        expect(isWhole(fold([...events, { type: 'failure', failure }]))).toBe(false)
      }),
    )
  })

  test('no events are no reply', () => {
    expect(isWhole(fold([]))).toBe(false)
  })
})
