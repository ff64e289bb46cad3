// Holds the shape of the house: every source file is read and held to the rules of support/source-rules.ts, and each
// rule is shown to catch what it forbids.
import { readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { describe, expect, it } from 'vitest'
import { objectionsTo } from './support/source-rules.ts'

const ROOT = path.resolve(import.meta.dirname, '..')
const FOLDERS = ['src', 'durable-objects', 'test']
const SOURCE = /\.(?:ts|tsx|mjs|css|sql)$/

function sourceFiles(): string[] {
  return FOLDERS.flatMap((folder) =>
    readdirSync(path.join(ROOT, folder), { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile() && SOURCE.test(entry.name))
      .map((entry) => path.relative(ROOT, path.join(entry.parentPath, entry.name)).replaceAll(path.sep, '/')),
  )
}

describe('every source file', () => {
  it('keeps the rules of the house', () => {
    const files = sourceFiles()
    expect(files).toContain('src/core/json.ts')
    expect(files.flatMap((file) => objectionsTo(file, readFileSync(path.join(ROOT, file), 'utf8')))).toEqual([])
  })
})

/** A file's text with the header comment that every file of the product has. */
function text(...lines: readonly string[]): string {
  return ['// What this decides.', ...lines, ''].join('\n')
}

const LONG_FUNCTION = ['export function long() {', ...Array.from({ length: 70 }, () => '  work()'), '}']

describe('the rules catch', () => {
  it.each([
    ['an arrow outwards', 'src/core/a.ts', text("import { b } from '../wire/b.ts'"), 'core may not import wire'],
    ['an arrow between siblings', 'src/protocols/a.ts', text("import { b } from '../dialects/b.ts'"), 'dialects'],
    ['a type that points outwards', 'src/wire/a.ts', text("import type { B } from '../ports.ts'"), 'ports'],
    ['an outward re-export', 'src/wire/a.ts', text("export { b } from '../catalog/b.ts'"), 'catalog'],
    ['an outward import while running', 'src/core/a.ts', text("await import('../app.ts')"), 'core may not import app'],
    ['the platform in the data plane', 'src/data-plane/a.ts', text("import { b } from '../platform/b.ts'"), 'platform'],
    ['a platform module in the data plane', 'src/data-plane/a.ts', text("import 'cloudflare:workers'"), 'cloudflare:'],
    ['Node in the product', 'src/ledger/a.ts', text("import fs from 'node:fs'"), 'node:fs'],
    ['more than core in an object', 'durable-objects/a.ts', text("import { b } from '../src/wire/b.ts'"), 'wire'],
    [
      'values of the admin API in the page',
      'src/dashboard/a.ts',
      text("import { b } from '../control-plane/b.ts'"),
      'control-plane',
    ],
    ['the product in a simulated provider', 'src/simulated/a.ts', text("import { b } from '../core/usage.ts'"), 'core'],
    [
      'a test in the product',
      'src/core/a.ts',
      text("import { b } from '../../test/support/b.ts'"),
      'not part of the product',
    ],
    ['a missing extension', 'src/core/a.ts', text("import { b } from './b'"), 'without its extension'],
    ['the whole of zod', 'src/control-plane/a.ts', text("import { z } from 'zod'"), 'zod/mini'],
    ['a name that says nothing', 'src/core/utils.ts', text(), '"utils"'],
    ['a folder that says nothing', 'src/core/common/a.ts', text(), '"common"'],
    [
      'a long file',
      'src/core/a.ts',
      text(...Array.from({ length: 400 }, () => '')).concat('export {}'),
      'the limit is 400',
    ],
    ['a long function', 'src/core/a.ts', text(...LONG_FUNCTION), 'the limit is 70'],
    ['the clock', 'src/core/a.ts', text('export const at = () => Date.now()'), 'Date.now'],
    ['the other clock', 'src/wire/a.ts', text('export const at = () => performance.now()'), 'performance.now'],
    ['a hidden clock', 'src/protocols/a.ts', text('export const at = () => new Date()'), 'new Date()'],
    ['chance', 'src/dialects/a.ts', text('export const draw = () => Math.random()'), 'Math.random'],
    ['any', 'src/core/a.ts', text('export const a = (b: any) => b'), '`any`'],
    ['a non-null assertion', 'test/core/a.test.ts', text('export const a = (b?: string) => b!'), 'non-null'],
    ['a silenced type checker', 'src/core/a.ts', text('// @ts-ignore', 'export const a = 1'), 'silences'],
    ['a default export', 'src/core/a.ts', text('export default 1'), 'default export'],
    ['a file without a header', 'src/core/a.ts', 'export const a = 1\n', 'does not open with a comment'],
  ])('%s', (_, file, source, objection) => {
    expect(objectionsTo(file, source).join('\n')).toContain(objection)
  })
})

describe('the rules allow', () => {
  it.each([
    ['an arrow inwards', 'src/data-plane/a.ts', text("import { b } from '../core/b.ts'")],
    [
      'an entry that knows the platform',
      'src/gateway.ts',
      text("import { b } from './platform/b.ts'", 'export default b'),
    ],
    [
      'types of the admin API in the page',
      'src/dashboard/a.ts',
      text("import type { B } from '../control-plane/b.ts'"),
    ],
    ['JSON types in a simulated provider', 'src/simulated/a.ts', text("import type { Json } from '../core/json.ts'")],
    ['a given time', 'src/core/a.ts', text('export const day = (nowMs: number) => new Date(nowMs).getUTCDay()')],
    ['long data', 'src/catalog/prices.ts', text(...Array.from({ length: 500 }, () => ''), 'export {}')],
  ])('%s', (_, file, source) => {
    expect(objectionsTo(file, source)).toEqual([])
  })
})
