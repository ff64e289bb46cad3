// Recorded streams come to the same with every message read and with the plain ones spared, as they were and changed here
// and there.
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { createFramer } from '../../src/data-plane/framing/index.ts'
import { anyEdits, bothReadings, withEdits } from '../support/spared-reading.ts'
import { type Exchange, loadExchanges, missingCorpus, recordedApis } from './exchanges.ts'
import { type Reading, readingOf } from './readers.ts'

if (missingCorpus !== null) {
  console.warn(`recorded exchanges: ${missingCorpus}`)
  test.skip(`recorded exchanges: ${missingCorpus}`, () => {})
}

function streamsOf(api: string): readonly (readonly [string, Exchange, Reading])[] {
  return loadExchanges(api).flatMap((exchange) => {
    const reading = exchange.isStreamed ? readingOf(exchange) : ''
    return typeof reading === 'string' ? [] : [[exchange.id, exchange, reading] as const]
  })
}

for (const api of recordedApis()) {
  const streams = streamsOf(api)
  describe.skipIf(streams.length === 0)(`recorded ${api}`, () => {
    test.each(streams)('%s', (_, exchange, { dialect, target }) => {
      const framer = createFramer(exchange.headers['content-type'] ?? null, dialect.framing)
      const frames = [...framer.push(exchange.bytes), ...framer.end()].slice(0, 300)
      const property = fc.property(anyEdits, (edits) => {
        const { spared, whole } = bothReadings(() => dialect.reader(target), withEdits(frames, edits))
        expect(spared).toEqual(whole)
      })
      fc.assert(property, { numRuns: 8, examples: [[[]]] })
    })
  })
}
