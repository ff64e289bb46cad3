// What in a state leads to something that isn't there. Apart from declaring, since what is taken back is looked at, too, and
// needs no schemas.
import { readRouteChoice } from '../route-choice.ts'
import { readTexts } from '../store.ts'
import type { Problem } from './declaring.ts'
import type { State } from './state.ts'

/** What refers to something that isn't there. */
export function brokenLinks(state: State): readonly Problem[] {
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
