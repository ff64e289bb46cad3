// Holds the limiters beside the tenants' against the ledger, owner by owner.
import type { Booked } from './booked.ts'
import { type Evidence, isCalm } from './evidence.ts'
import { sum } from './objects.ts'
import type { SideBooks } from './side-books.ts'

/** What of a provider's bill died with a gateway: lost, or never heard of. */
export interface Dead {
  readonly model: string
  readonly endUser: string | null
  readonly nanoUsd: number
}

export interface SideLine {
  readonly name: string
  readonly spentNanoUsd: number
  /** The ledger, without what was lost. */
  readonly ledgerNanoUsd: number
  /** Of gateways that were killed. */
  readonly heldNanoUsd: number
  readonly deadNanoUsd: number
  readonly problems: readonly string[]
}

/** A line for each owner. Where no gateway died with something of it, it has spent what is in the ledger, to the nano-dollar. */
export function sideLines(evidence: Evidence, booked: readonly Booked[], dead: readonly Dead[]): readonly SideLine[] {
  return evidence.sides.map((side) => {
    const own = booked.filter((one) => isOf(side, one) && one.startedAtMs >= side.fromMs && one.ending !== 'lost')
    const died = dead.filter((one) => isDeadOf(side, one))
    const line = {
      name: `${side.kind} ${side.of}`,
      spentNanoUsd: side.spentNanoUsd,
      ledgerNanoUsd: sum(own.map(({ nanoUsd }) => nanoUsd)),
      heldNanoUsd: side.heldNanoUsd,
      deadNanoUsd: sum(died.map(({ nanoUsd }) => nanoUsd)),
    }
    return {
      ...line,
      problems: [...problemsOf(line), ...holdProblems(side, evidence)].map((why) => `${line.name}: ${why}`),
    }
  })
}

function isOf({ kind, of }: SideBooks, { endUser, targetId }: Booked): boolean {
  return kind === 'user' ? endUser === of : targetId === of
}

function isDeadOf({ kind, of }: SideBooks, { endUser, model }: Dead): boolean {
  return kind === 'user' ? endUser === of : model.endsWith(`-${of}`)
}

function problemsOf({ spentNanoUsd, ledgerNanoUsd, heldNanoUsd, deadNanoUsd }: Omit<SideLine, 'problems'>): string[] {
  const problems: string[] = []
  if (spentNanoUsd > ledgerNanoUsd + deadNanoUsd)
    problems.push(`has spent ${spentNanoUsd}, the ledger ${ledgerNanoUsd}`)
  if (ledgerNanoUsd > spentNanoUsd + heldNanoUsd) {
    problems.push(`has spent ${spentNanoUsd} and holds ${heldNanoUsd}, the ledger has ${ledgerNanoUsd}`)
  }
  return problems
}

function holdProblems(side: SideBooks, { holders, killed }: Evidence): string[] {
  const alive = side.holds.filter(({ holder }) => !killed.has(holders.get(holder)?.serial ?? -1))
  const problems = alive.map(({ holder }) => `holds for ${holders.get(holder)?.serial ?? 'nobody'}, which lives`)
  return isCalm(side) ? problems : [...problems, 'is not at rest']
}
