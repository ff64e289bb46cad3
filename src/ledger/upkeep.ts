// What the ledger needs from time to time: days and facets summed, old events forgotten. Each for itself, so that one that
// fails holds up no other; all go on where they stopped.
import { sumDays } from './days.ts'
import { type Archive, KEPT_DAYS_DEFAULT, pruneApplied, pruneEvents, readKeptDays } from './prune.ts'
import { sumFacets } from './report-facets.ts'

/** Settings and bindings of the upkeep. */
export interface UpkeepEnv {
  readonly DB: D1Database
  /** Days for which single events are kept, or `forever`; 30 unless set. */
  readonly EVENTS_KEPT_DAYS?: string
  /** Where events go before they are forgotten; nowhere unless bound. */
  readonly ARCHIVE?: Archive
}

/** 120,000 events an hour: D1 is busy with a turn for some ten milliseconds. */
const TURNS_MAX = 60

/** Does what is due. Never throws: what fails is logged and tried again the next time. */
export async function upkeep(env: UpkeepEnv, nowMs: number): Promise<void> {
  const { DB: db } = env
  const keptDays = readKeptDays(env.EVENTS_KEPT_DAYS)
  if (keptDays === undefined) {
    const setting = env.EVENTS_KEPT_DAYS ?? ''
    console.error(
      JSON.stringify({ event: 'ledger-setting', name: 'EVENTS_KEPT_DAYS', setting, used: KEPT_DAYS_DEFAULT }),
    )
  }
  const pruning = {
    keptDays: keptDays === undefined ? KEPT_DAYS_DEFAULT : keptDays,
    archive: env.ARCHIVE ?? null,
    turnsMax: TURNS_MAX,
  }
  const tasks = {
    days: () => sumDays(db, nowMs),
    facets: () => sumFacets(db, nowMs),
    events: () => pruneEvents(db, nowMs, pruning),
    applied: () => pruneApplied(db, nowMs),
  }
  for (const [task, run] of Object.entries(tasks)) {
    try {
      await run()
    } catch (error) {
      console.error(JSON.stringify({ event: 'ledger-upkeep', task, reason: String(error) }))
    }
  }
}
