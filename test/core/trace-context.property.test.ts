// Traces: what of a client's header counts, and ids that are the same for the same.
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { isDrawn, parentSpanOf, readTraceparent, spanIdOf, traceIdOf } from '../../src/core/trace-context.ts'

const TRACE = '0af7651916cd43dd8448eb211c80319c'
const SPAN = 'b7ad6b7169203331'
const hexOf = (length: number) =>
  fc.string({ unit: fc.constantFrom(...'0123456789abcdef'), minLength: length, maxLength: length })
const isZero = (text: string): boolean => /^0+$/.test(text)

describe('a traceparent header', () => {
  it('names trace, span and flags', () => {
    expect(readTraceparent(`00-${TRACE}-${SPAN}-01`)).toEqual({ traceId: TRACE, span: `${SPAN}-01` })
    expect(parentSpanOf(`${SPAN}-01`)).toEqual({ id: SPAN, isSampled: true })
    expect(parentSpanOf(`${SPAN}-02`)).toEqual({ id: SPAN, isSampled: false })
  })

  it('of a later version may go on', () => {
    expect(readTraceparent(`01-${TRACE}-${SPAN}-01-more`)).toEqual({ traceId: TRACE, span: `${SPAN}-01` })
  })

  it.each([
    ['nothing', ''],
    ['a version that there is none of', `ff-${TRACE}-${SPAN}-01`],
    ['no trace', `00-${'0'.repeat(32)}-${SPAN}-01`],
    ['no span', `00-${TRACE}-${'0'.repeat(16)}-01`],
    ['upper case', `00-${TRACE.toUpperCase()}-${SPAN}-01`],
    ['more than its version has', `00-${TRACE}-${SPAN}-01-more`],
    ['a short one', `00-${TRACE}-${SPAN}`],
    ['something before it', ` 00-${TRACE}-${SPAN}-01`],
  ])('that is not valid counts for nothing: %s', (_, header) => {
    expect(readTraceparent(header)).toBeNull()
  })

  it('is read back from whatever is valid', () => {
    const valid = fc.tuple(hexOf(32), hexOf(16), hexOf(2)).filter(([trace, span]) => !isZero(trace) && !isZero(span))
    fc.assert(
      fc.property(valid, ([trace, span, flags]) => {
        expect(readTraceparent(`00-${trace}-${span}-${flags}`)).toEqual({ traceId: trace, span: `${span}-${flags}` })
      }),
    )
  })
})

describe('ids', () => {
  const uuid = fc.uuid({ version: 7 })

  it('are the same for the same, valid, and others for other attempts', () => {
    fc.assert(
      fc.property(uuid, fc.integer({ min: 0, max: 20 }), (id, attempt) => {
        const all = [spanIdOf(id, null), spanIdOf(id, attempt), spanIdOf(id, attempt + 1)]
        expect(new Set(all).size).toBe(3)
        for (const one of all) expect(one).toMatch(/^(?!0{16})[0-9a-f]{16}$/)
        expect(spanIdOf(id, attempt)).toBe(all[1])
      }),
    )
  })

  it('of spans do not meet among many', () => {
    const ids = new Set<string>()
    for (let at = 0; at < 100_000; at++) ids.add(spanIdOf('0199a1b2-c3d4-7e5f-8a6b-7c8d9e0f1a2b', at))
    expect(ids.size).toBe(100_000)
  })

  it('of a trace are what the client named, else the request’s own without dashes', () => {
    const id = '0199a1b2-c3d4-7e5f-8a6b-7c8d9e0f1a2b'
    expect(traceIdOf(id, TRACE)).toBe(TRACE)
    expect(traceIdOf(id, TRACE.toUpperCase())).toBe(TRACE)
    for (const named of [null, 'my-trace', '0'.repeat(32)]) expect(traceIdOf(id, named)).toBe(id.replaceAll('-', ''))
    expect(traceIdOf('req_1', null)).toMatch(/^(?!0{32})[0-9a-f]{32}$/)
  })

  it('are drawn in their share', () => {
    const ids = fc.sample(hexOf(32), 4_000)
    expect(ids.filter((id) => isDrawn(id, 100))).toHaveLength(4_000)
    expect(ids.filter((id) => isDrawn(id, 0))).toHaveLength(0)
    const share = ids.filter((id) => isDrawn(id, 25)).length / 4_000
    expect(Math.abs(share - 0.25)).toBeLessThan(0.05)
  })
})
