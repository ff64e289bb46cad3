// Money as people write it, exact in both directions.
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { readUsd, readUsdPerMillion, writeUsd } from '../../src/control-plane/prices/amount.ts'

describe('amounts', () => {
  it('go in and out without a float', () => {
    expect(['12.50', '0', '0.000000001', '9000000', '007.5'].map(readUsd)).toEqual([
      12_500_000_000, 0, 1, 9_000_000_000_000_000, 7_500_000_000,
    ])
    expect(
      ['', '.5', '5.', '1,5', '-1', '+1', '1e3', '0.0000000001', '9000000.000000001', ' 1']
        .map(readUsd)
        .every((one) => one === null),
    ).toBe(true)
    expect([12_500_000_000, 0, 1, 5_000_000_000, 100_000].map(writeUsd)).toEqual([
      '12.50',
      '0.00',
      '0.000000001',
      '5.00',
      '0.0001',
    ])
    expect(['0.0375', '15', '0.0000001'].map(readUsdPerMillion)).toEqual([37_500, 15_000_000, null])
  })

  it('come back as they went in', () => {
    fc.assert(
      fc.property(fc.nat(Number.MAX_SAFE_INTEGER - 8_000_000_000_000), (nanoUsd) => {
        expect(readUsd(writeUsd(nanoUsd))).toBe(nanoUsd)
      }),
    )
  })
})
