// What in a state leads to something that isn't there. Apart from declaring, since what is taken back is looked at, too, and
// needs no schemas.
import { heldNames } from '../credentials/credential-record.ts'
import { readCompiled } from '../publish/publish.ts'
import { readRouteChoice } from '../routes/route-choice.ts'
import { readTexts, type TargetRow } from '../store.ts'
import type { Problem } from './declaring.ts'
import type { State } from './state.ts'

/** What refers to something that isn't there. */
export function brokenLinks(state: State): readonly Problem[] {
  return [...brokenRoutes(state), ...brokenTargets(state)]
}

/** Targets whose credentials aren't there. */
function brokenTargets(state: State): readonly Problem[] {
  return [...state.targets.values()].flatMap((row) =>
    missingCredentials(row, state.credentials).map((name) => ({
      field: null,
      code: 'referenced',
      message: `The target ${JSON.stringify(row.id)} needs the credential ${JSON.stringify(name)}, which isn't there.`,
    })),
  )
}

/** The credentials of a target that `credentials` doesn't have. */
export function missingCredentials(row: TargetRow, credentials: ReadonlyMap<string, unknown>): readonly string[] {
  return heldNames(readCompiled(row)).filter((name) => !credentials.has(name))
}

/** Routes whose targets aren't there. */
export function brokenRoutes(state: Pick<State, 'routes' | 'targets'>): readonly Problem[] {
  return [...state.routes.values()].flatMap((row) => {
    const { shadow } = readRouteChoice(row)
    const needed = [...readTexts(row.targets), ...(shadow?.target === undefined ? [] : [shadow.target])]
    const missing = needed.filter((id) => !state.targets.has(id))
    return missing.map((id) => ({
      field: null,
      code: 'referenced',
      message: `The route for ${JSON.stringify(row.model)} needs the target ${JSON.stringify(id)}: declare the route without it.`,
    }))
  })
}
