// The rules of the house that a parser can hold: directions of imports, sizes, names, time and chance as arguments, no
// escape from the type checker. Works on text, so that each rule can be shown to catch its violation.
import path from 'node:path'
import { parseSync, Visitor } from 'vite'
import { areaOf, importObjection } from './layers.ts'

const FILE_LINES_MAX = 400
/** Each test file that runs in workerd costs about a second to start: fewer and longer ones there. */
const WORKERS_TEST_LINES_MAX = 800
const FUNCTION_LINES_MAX = 70
const BANNED_NAMES = new Set(['util', 'utils', 'helper', 'helpers', 'common', 'misc'])
/** Folders in which time and chance come in as arguments. */
const TIMELESS = ['src/core/', 'src/wire/', 'src/protocols/', 'src/dialects/']
/** Data, and what others made: as long as they need to be. */
const ANY_LENGTH = [/^src\/catalog\//, /^test\/(?:fixtures|corpus)\//, /\.css$/]
const DEFAULT_EXPORTS = [
  /^src\/(?:gateway|usage-consumer|local)\.ts$/,
  /^src\/simulated\/worker\.ts$/,
  /\.config\.ts$/,
  /^test\//,
]
const EXTENSION = /\.(?:ts|tsx|mjs|json|css|svg|sql)$/

interface Spot {
  readonly start: number
  readonly end: number
}

/** Lines from the beginning of a spot to its end, both counted. */
function linesOf(text: string, spot: Spot): number {
  return text.slice(spot.start, spot.end).split('\n').length
}

function lineAt(text: string, offset: number): number {
  return text.slice(0, offset).split('\n').length
}

function nameObjections(file: string): string[] {
  const names = file.split('/').map((segment) => segment.split('.')[0] ?? '')
  return names.filter((name) => BANNED_NAMES.has(name)).map((name) => `the name "${name}" says nothing`)
}

function lengthObjections(file: string, text: string): string[] {
  const lines = text.trimEnd().split('\n').length
  const linesMax = file.startsWith('test/workers/') ? WORKERS_TEST_LINES_MAX : FILE_LINES_MAX
  if (lines <= linesMax || ANY_LENGTH.some((pattern) => pattern.test(file))) return []
  return [`${lines} lines; the limit is ${linesMax}`]
}

/** `Date.now` and the like: the object, and the member that reads the clock or draws. */
const AMBIENT: Readonly<Record<string, string>> = { Date: 'now', Math: 'random', performance: 'now' }

interface Found {
  readonly offset: number
  readonly what: string
}

function functionVisitor(text: string, found: Found[]): (node: Spot) => void {
  return (node) => {
    const lines = linesOf(text, node)
    if (lines <= FUNCTION_LINES_MAX) return
    found.push({ offset: node.start, what: `a function of ${lines} lines; the limit is ${FUNCTION_LINES_MAX}` })
  }
}

function importFound(file: string, specifier: string, isType: boolean, offset: number): Found[] {
  const objections = [importObjection(file, specifier, isType)]
  if (specifier.startsWith('.') && !EXTENSION.test(specifier))
    objections.push(`import of ${specifier} without its extension`)
  if (specifier === 'zod') objections.push("import zod as `import * as z from 'zod/mini'`")
  return objections.flatMap((what) => (what === undefined ? [] : [{ offset, what }]))
}

function typeEscapeVisitors(found: Found[]) {
  return {
    TSAnyKeyword: (node: Spot) => void found.push({ offset: node.start, what: 'the type `any`' }),
    TSNonNullExpression: (node: Spot) => void found.push({ offset: node.start, what: 'a non-null assertion `!`' }),
  }
}

function visit(file: string, text: string, program: Parameters<Visitor['visit']>[0]): Found[] {
  const found: Found[] = []
  const isTimeless = TIMELESS.some((folder) => file.startsWith(folder))
  const onFunction = file.startsWith('test/') ? () => undefined : functionVisitor(text, found)
  const mayDefault = DEFAULT_EXPORTS.some((pattern) => pattern.test(file))
  const onImport = (source: { readonly value: string }, isType: boolean, offset: number): void => {
    found.push(...importFound(file, source.value, isType, offset))
  }
  new Visitor({
    ...typeEscapeVisitors(found),
    FunctionDeclaration: onFunction,
    FunctionExpression: onFunction,
    ArrowFunctionExpression: onFunction,
    ImportDeclaration: (node) => onImport(node.source, node.importKind === 'type', node.start),
    ExportAllDeclaration: (node) => onImport(node.source, node.exportKind === 'type', node.start),
    ExportNamedDeclaration: (node) => {
      if (node.source !== null) onImport(node.source, node.exportKind === 'type', node.start)
    },
    ImportExpression: (node) => {
      if (node.source.type === 'Literal' && typeof node.source.value === 'string') {
        onImport({ value: node.source.value }, false, node.start)
      }
    },
    ExportDefaultDeclaration: (node) => {
      if (!mayDefault) found.push({ offset: node.start, what: 'a default export' })
    },
    MemberExpression: (node) => {
      if (!isTimeless || node.object.type !== 'Identifier' || node.property.type !== 'Identifier') return
      if (AMBIENT[node.object.name] !== node.property.name) return
      found.push({ offset: node.start, what: `${node.object.name}.${node.property.name}: take it as an argument` })
    },
    NewExpression: (node) => {
      if (!isTimeless || node.callee.type !== 'Identifier' || node.callee.name !== 'Date') return
      if (node.arguments.length === 0)
        found.push({ offset: node.start, what: 'new Date(): take the time as an argument' })
    },
  }).visit(program)
  return found
}

/**
 * What is wrong with a source file, a line for each: `path:line what`. `file` is its path from the root with forward
 * slashes; what isn't TypeScript is only measured and its name looked at.
 */
export function objectionsTo(file: string, text: string): string[] {
  const whole = [...nameObjections(file), ...lengthObjections(file, text)].map((what) => `${file} ${what}`)
  if (!/\.tsx?$/.test(path.posix.basename(file))) return whole
  const { program, comments, errors } = parseSync(file, text, { sourceType: 'module' })
  if (errors.length > 0) return [...whole, `${file} does not parse: ${errors[0]?.message ?? ''}`]
  const found = visit(file, text, program)
  for (const comment of comments) {
    if (/@ts-(?:ignore|expect-error|nocheck)/.test(comment.value)) {
      found.push({ offset: comment.start, what: 'silences the type checker' })
    }
  }
  if (areaOf(file) !== undefined && comments[0]?.start !== 0) {
    found.push({ offset: 0, what: 'does not open with a comment that says what it decides' })
  }
  return [...whole, ...found.map(({ offset, what }) => `${file}:${lineAt(text, offset)} ${what}`)]
}
