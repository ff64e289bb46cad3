// Every recorded exchange, read by its dialect however its bytes are cut, and written by every protocol. The table that is
// printed is the result: what passed, what a protocol declares that it can't show, what failed (nothing may).
import { afterAll, describe, expect, test } from 'vitest'
import { protocols } from '../support/registries.ts'
import type { Protocol } from '../../src/protocols/protocol.ts'
import { type Exchange, chunkings, loadExchanges, missingCorpus, recordedApis } from './exchanges.ts'
import { eventsOf, readingOf } from './readers.ts'
import { isEmbeddings, vectorsObjection } from './vectors.ts'
import { judge } from './written.ts'

if (missingCorpus !== null) {
  console.warn(`recorded exchanges: ${missingCorpus}`)
  test.skip(`recorded exchanges: ${missingCorpus}`, () => {})
}

type Cell = 'passed' | 'gap' | 'failed'

class Table {
  readonly #cells = new Map<string, Record<Cell, number>>()
  readonly #gaps = new Map<string, number>()

  count(row: string, column: string, cell: Cell, gaps: readonly string[] = []): void {
    const key = `${row}\t${column}`
    const counts = this.#cells.get(key) ?? { passed: 0, gap: 0, failed: 0 }
    counts[cell] += 1
    this.#cells.set(key, counts)
    for (const gap of gaps) this.#gaps.set(`${column}: ${gap}`, (this.#gaps.get(`${column}: ${gap}`) ?? 0) + 1)
  }

  toString(columns: readonly string[]): string {
    const rows = [...new Set([...this.#cells.keys()].map((key) => key.split('\t')[0] ?? ''))].toSorted()
    const cell = (row: string, column: string): string => {
      const { passed, gap, failed } = this.#cells.get(`${row}\t${column}`) ?? { passed: 0, gap: 0, failed: 0 }
      return `${passed} / ${gap} / ${failed}`
    }
    return [
      'passed / declared gap / failed',
      `| recorded | ${columns.join(' | ')} |`,
      `|---|${columns.map(() => '--:|').join('')}`,
      ...rows.map((row) => `| ${row} | ${columns.map((column) => cell(row, column)).join(' | ')} |`),
      '',
      'Declared gaps (what the protocol has no place for, and in how many replies):',
      ...[...this.#gaps].toSorted().map(([gap, count]) => `  ${gap} (${count})`),
    ].join('\n')
  }
}

const table = new Table()
const all: readonly Protocol[] = Object.values(protocols)
afterAll(() => {
  if (missingCorpus === null) console.log(table.toString(['read', ...all.map((protocol) => protocol.name)]))
})

for (const api of recordedApis()) {
  describe(`recorded ${api}`, () => {
    test.each(loadExchanges(api).map((exchange) => [exchange.id, exchange] as const))('%s', (_, exchange) => {
      expect(outcome(exchange)).toEqual([])
    })
  })
}

/** Everything that is wrong with how an exchange is read and written. */
function outcome(exchange: Exchange): readonly string[] {
  if (isEmbeddings(exchange.api)) {
    const objection = vectorsObjection(exchange)
    table.count(exchange.api, 'read', objection === null ? 'passed' : 'failed')
    return objection === null ? [] : [objection]
  }
  const reading = readingOf(exchange)
  if (typeof reading === 'string') {
    const isKnown = !reading.startsWith('no dialect')
    table.count(exchange.api, 'read', isKnown ? 'gap' : 'failed', [`${exchange.api}: ${reading}`])
    return isKnown ? [] : [reading]
  }
  if (exchange.status >= 400) return failureOutcome(exchange)
  const [events, ...others] = Object.entries(chunkings(exchange)).map(
    ([name, chunks]) => [name, eventsOf(reading, exchange, chunks)] as const,
  )
  if (events === undefined) return ['nothing was read']
  const same = JSON.stringify(events[1])
  const problems = others.flatMap(([name, cut]) => (JSON.stringify(cut) === same ? [] : [`read otherwise cut ${name}`]))
  table.count(exchange.api, 'read', problems.length === 0 ? 'passed' : 'failed')
  for (const protocol of all) {
    const { gaps, failure } = judge(protocol, events[1])
    table.count(exchange.api, protocol.name, failure !== null ? 'failed' : gaps.length > 0 ? 'gap' : 'passed', gaps)
    if (failure !== null) problems.push(`${protocol.name}: ${failure}`)
  }
  return problems
}

/** An error response: understood by its dialect, told by every protocol as an error of the same blame. */
function failureOutcome(exchange: Exchange): readonly string[] {
  const reading = readingOf(exchange)
  if (typeof reading === 'string') return [reading]
  const headers = { get: (name: string) => exchange.headers[name.toLowerCase()] ?? null }
  const upstream = reading.dialect.fail(exchange.status, headers, exchange.body, 0)
  const problems = upstream.message === '' ? ['an error without a message'] : []
  table.count(exchange.api, 'read', problems.length === 0 ? 'passed' : 'failed')
  for (const protocol of all) {
    const { status } = protocol.fail({ kind: 'upstream-failed', provider: exchange.provider, upstream }, 'req_1')
    const isClients = upstream.class === 'client'
    const isRight = isClients ? status >= 400 && status < 500 : status >= 429
    table.count(exchange.api, protocol.name, isRight ? 'passed' : 'failed')
    if (!isRight) problems.push(`${protocol.name}: ${upstream.class} became ${status}`)
  }
  return problems
}
