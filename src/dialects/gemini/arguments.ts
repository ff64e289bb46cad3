// Arguments of a function call that come in pieces: each names a place in them and a piece of the value there. Vertex AI
// streams them so on request. https://docs.cloud.google.com/vertex-ai/generative-ai/docs/multimodal/function-calling (2026-11-21)
import { isJsonObject } from '../../core/json.ts'
import type { Json, JsonObject } from '../../core/json.ts'
import { arrayOf, objectOf, stringOf } from '../../wire/read.ts'

/** Most steps of a path, and most items of an array: beyond it a piece is passed over. */
const STEPS_MAX = 32
const ITEMS_MAX = 10_000

type Draft = null | boolean | number | string | Draft[] | { [name: string]: Draft }

/** Puts the pieces of one call together. */
export class PartialArguments {
  private readonly root: { [name: string]: Draft } = Object.create(null)

  /** Adds pieces: `jsonPath` says where, `stringValue`, `numberValue`, `boolValue` or `nullValue` what. Strings of one
   *  place are joined. */
  add(pieces: Json | undefined): void {
    for (const value of arrayOf(pieces)) {
      const piece = objectOf(value)
      const steps = stepsOf(stringOf(piece['jsonPath']) ?? '')
      const said = saidBy(piece)
      if (steps.length > 0 && steps.length <= STEPS_MAX && said !== undefined) this.put(steps, said)
    }
  }

  /** What has come, as JSON text; `args` holds what came in one piece. */
  text(args: JsonObject): string {
    return JSON.stringify({ ...args, ...this.root })
  }

  private put(steps: readonly (string | number)[], said: Draft): void {
    let at: Draft = this.root
    for (const [place, step] of steps.entries()) {
      const isLast = place === steps.length - 1
      const known: Draft | undefined = childOf(at, step)
      const fresh: Draft = typeof steps[place + 1] === 'number' ? [] : Object.create(null)
      const isJoined = isLast && typeof known === 'string' && typeof said === 'string'
      const next: Draft = isLast ? (isJoined ? known + said : said) : isContainer(known) ? known : fresh
      if (Array.isArray(at) && typeof step === 'number' && step < ITEMS_MAX) at[step] = next
      else if (!Array.isArray(at) && isContainer(at)) at[String(step)] = next
      else return
      at = next
    }
  }
}

function isContainer(value: Draft | undefined): value is Draft[] | { [name: string]: Draft } {
  return typeof value === 'object' && value !== null
}

function childOf(parent: Draft, step: string | number): Draft | undefined {
  if (Array.isArray(parent)) return typeof step === 'number' ? parent[step] : undefined
  return isJsonObject(parent) ? parent[String(step)] : undefined
}

function saidBy(piece: JsonObject): Draft | undefined {
  if ('nullValue' in piece) return null
  const said = piece['stringValue'] ?? piece['numberValue'] ?? piece['boolValue']
  return typeof said === 'string' || typeof said === 'number' || typeof said === 'boolean' ? said : undefined
}

/** The steps of a path like `$.ports[0].name` or `$['high tide']`. */
function stepsOf(path: string): readonly (string | number)[] {
  const steps: (string | number)[] = []
  for (const [, name, index, quoted] of path.matchAll(/\.?([^.[\]$'"]+)|\[(\d+)\]|\[['"]([^'"]*)['"]\]/g)) {
    if (index !== undefined) steps.push(Number(index))
    else steps.push(quoted ?? name ?? '')
  }
  return steps
}
