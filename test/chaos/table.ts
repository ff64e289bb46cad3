// What the run prints: what was asked, what struck, and what the three sides say of it.
import type { Asked } from './clients.ts'
import type { Control } from './control.ts'
import type { Evidence } from './evidence.ts'
import { FEATURES } from './features.ts'
import { type Faults, POINTS } from './points.ts'
import { PILES, type Reckoning } from './reckoning.ts'

export function tables(evidence: Evidence, reckoning: Reckoning, { faults, centre }: Control): string {
  const parts = [
    ofFeatures(evidence.asked, reckoning),
    ofPoints(faults),
    ofPiles(reckoning),
    ofLimiters(reckoning),
    ofSides(reckoning),
    `the limiter was dead ${(centre?.lives ?? 1) - 1} times, ${Math.round((centre?.deadMs ?? 0) / 1_000)} s in all`,
    `corrected after they had been written off: ${reckoning.corrected}; problems: ${reckoning.problems.length}; untold: ${reckoning.untold.length}`,
    ...reckoning.problems.slice(0, 40),
    ...reckoning.untold.slice(0, 40),
  ]
  return `\n${parts.join('\n\n')}\n`
}

function ofFeatures(asked: readonly Asked[], { booked }: Reckoning): string {
  const featureOf = new Map(asked.map(({ reference, feature }) => [reference, feature]))
  const rows = Object.keys(FEATURES).map((feature) => {
    const own = asked.filter((one) => one.feature === feature)
    const count = (outcome: Asked['outcome']): number => own.filter((one) => one.outcome === outcome).length
    const attempts = booked.filter(({ reference }) => featureOf.get(reference) === feature).length
    return [feature, own.length, count('served'), count('left'), count('refused'), count('broken'), attempts]
  })
  const all = [1, 2, 3, 4, 5, 6].map((at) => rows.reduce((total, row) => total + Number(row[at]), 0))
  return grid(
    ['feature', 'requests', 'served', 'left', 'refused', 'broken', 'in the ledger'],
    [...rows, ['all', ...all]],
  )
}

function ofPoints({ struck }: Faults): string {
  const rows = Object.entries(POINTS).map(([point, what]) => [point, countOf(struck, point), what])
  return grid(['point', 'struck', 'what'], rows)
}

function countOf(struck: ReadonlyMap<string, number>, point: string): number {
  return struck.get(point) ?? 0
}

function ofPiles({ piles }: Reckoning): string {
  const named = Object.entries(piles).map(([name, pile]) => {
    const { attempts, booksNanoUsd, ledgerNanoUsd } = pile
    return [name, attempts, booksNanoUsd, ledgerNanoUsd, ledgerNanoUsd - booksNanoUsd, wordsFor(name)]
  })
  return grid(['attempts, nano-USD', 'number', 'books', 'ledger', 'difference', 'what'], named)
}

function wordsFor(name: string): string {
  return Object.entries(PILES).find(([pile]) => pile === name)?.[1] ?? ''
}

function ofLimiters({ limiters }: Reckoning): string {
  const rows = limiters.map((line) => [
    line.tenant,
    line.spentNanoUsd,
    line.ledgerNanoUsd,
    line.holds,
    line.heldNanoUsd,
    line.knownNanoUsd,
    line.lostNanoUsd,
    line.unheardNanoUsd,
  ])
  const head = ['tenant, nano-USD', 'limiter', 'ledger', 'holds', 'held', 'of known', 'lost', 'unheard']
  return grid(head, rows)
}

function ofSides({ sides }: Reckoning): string {
  const rows = sides.map((line) => [
    line.name,
    line.spentNanoUsd,
    line.ledgerNanoUsd,
    line.heldNanoUsd,
    line.deadNanoUsd,
  ])
  return grid(['beside the tenants, nano-USD', 'limiter', 'ledger', 'held', 'of the dead'], rows)
}

function grid(head: readonly string[], rows: readonly (readonly (string | number)[])[]): string {
  const all = [head, ...rows].map((row) => row.map(String))
  const widths = head.map((_, at) => Math.max(...all.map((row) => row[at]?.length ?? 0)))
  const isNumber = (at: number): boolean => rows.every((row) => typeof row[at] === 'number')
  return all
    .map((row) =>
      row
        .map((cell, at) => (isNumber(at) ? cell.padStart(widths[at] ?? 0) : cell.padEnd(widths[at] ?? 0)))
        .join('  ')
        .trimEnd(),
    )
    .join('\n')
}
