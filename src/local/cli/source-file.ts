// A file of the configuration, JSON with comments or YAML: what it says, and where in it each field stands.
import { readFile } from 'node:fs/promises'
import path from 'node:path'
import {
  type Node,
  findNodeAtLocation,
  getNodeValue,
  parseTree,
  printParseErrorCode,
  type ParseError,
} from 'jsonc-parser'
import { LineCounter, isNode, isPair, parseDocument } from 'yaml'
import { Problem, errorCode } from '../problem.ts'

/** Lines and columns count from 1. */
export interface Place {
  readonly line: number
  readonly column: number
}

export interface SourceFile {
  readonly name: string
  readonly value: unknown
  /** Where a field stands, as in `targets[2].base_url`; of one that isn't there, what it would stand in. */
  readonly placeOf: (field: string) => Place
}

/** What is looked for where no file is named. */
export const USUAL_FILES = ['tidegate.jsonc', 'tidegate.json', 'tidegate.yaml', 'tidegate.yml']

/** Reads a file. What can't be read is a `Problem` with its place. */
export async function readSource(name: string): Promise<SourceFile> {
  const text = await readFile(name, 'utf8').catch((error: unknown) => {
    throw new Problem(`${name} can't be read (${errorCode(error) ?? 'unknown reason'}).`)
  })
  return parseSource(name, text)
}

/** The first of the usual files that is there. */
export async function readUsual(): Promise<SourceFile> {
  for (const name of USUAL_FILES) {
    const text = await readFile(name, 'utf8').catch(() => null)
    if (text !== null) return parseSource(name, text)
  }
  throw new Problem(`There is none of ${USUAL_FILES.join(', ')} here: name a file.`)
}

/** Reads a text by the ending of its name. */
export function parseSource(name: string, text: string): SourceFile {
  const isYaml = /^\.ya?ml$/i.test(path.extname(name))
  return inFull(isYaml ? readYaml(name, text) : readJsonc(name, text))
}

/** A file that is one model, or a list of models, in a few lines is one with these `models`. */
function inFull(source: SourceFile): SourceFile {
  const { value, placeOf } = source
  if (isModel(value)) {
    return { ...source, value: { models: [value] }, placeOf: (field) => placeOf(field.replace(/^models\[0\]\.?/, '')) }
  }
  if (Array.isArray(value) && value.length > 0 && value.every(isModel)) {
    return { ...source, value: { models: value }, placeOf: (field) => placeOf(field.replace(/^models/, '')) }
  }
  return source
}

function isModel(value: unknown): boolean {
  return typeof value === 'object' && value !== null && 'name' in value && 'backend' in value
}

function readJsonc(name: string, text: string): SourceFile {
  const errors: ParseError[] = []
  const tree = parseTree(text, errors, { allowTrailingComma: true })
  const [first] = errors
  if (first !== undefined || tree === undefined) {
    const { line, column } = placeAt(text, first?.offset ?? 0)
    const what = first === undefined ? 'it is empty' : printParseErrorCode(first.error)
    throw new Problem(`${name}:${line}:${column} isn't JSON: ${what}.`)
  }
  const value: unknown = getNodeValue(tree)
  const placeOf = (field: string): Place => placeAt(text, jsonNode(tree, stepsOf(value, field)).offset)
  return { name, value, placeOf }
}

/** The node of a field, or of the innermost thing around it. */
function jsonNode(tree: Node, steps: readonly (string | number)[]): Node {
  for (let length = steps.length; length > 0; length--) {
    const found = findNodeAtLocation(tree, steps.slice(0, length))
    if (found !== undefined) return found.parent?.type === 'property' ? found.parent : found
  }
  return tree
}

function readYaml(name: string, text: string): SourceFile {
  const lines = new LineCounter()
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false })
  const at = (offset: number): Place => {
    const { line, col } = lines.linePos(offset)
    return { line, column: col }
  }
  const [first] = document.errors
  if (first !== undefined) {
    const { line, column } = at(first.pos[0])
    throw new Problem(`${name}:${line}:${column} isn't YAML: ${first.message}`)
  }
  const value: unknown = document.toJS()
  const placeOf = (field: string): Place => {
    const steps = stepsOf(value, field)
    for (let length = steps.length; length > 0; length--) {
      const last = steps[length - 1]
      const around = length === 1 ? document.contents : document.getIn(steps.slice(0, length - 1), true)
      const items: readonly unknown[] =
        typeof around === 'object' && around !== null && 'items' in around && Array.isArray(around.items)
          ? around.items
          : []
      const item = items.find((one, index) => (isPair(one) ? String(one.key) === String(last) : index === Number(last)))
      const node = isPair(item) ? item.key : item
      if (isNode(node) && node.range != null) return at(node.range[0])
    }
    return { line: 1, column: 1 }
  }
  return { name, value, placeOf }
}

/** The steps to a field: names of members may have dots and brackets in them. */
export function stepsOf(value: unknown, field: string): readonly (string | number)[] {
  if (field === '') return []
  const index = /^\[(\d+)\]\.?/.exec(field)
  if (index !== null && Array.isArray(value)) {
    const at = Number(index[1])
    return [at, ...stepsOf(value[at], field.slice(index[0].length))]
  }
  if (typeof value !== 'object' || value === null) return []
  const names = Object.keys(value).filter(
    (name) => field === name || field.startsWith(`${name}.`) || field.startsWith(`${name}[`),
  )
  const name = names.toSorted((a, b) => b.length - a.length)[0]
  if (name === undefined) return [field]
  const rest = field.slice(name.length)
  const below: unknown = Reflect.get(value, name)
  return [name, ...stepsOf(below, rest.startsWith('.') ? rest.slice(1) : rest)]
}

function placeAt(text: string, offset: number): Place {
  const before = text.slice(0, offset).split('\n')
  return { line: before.length, column: (before.at(-1)?.length ?? 0) + 1 }
}
