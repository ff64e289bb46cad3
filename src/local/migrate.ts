// Brings a local D1 database to the newest schema. Keeps the same table as `wrangler d1 migrations`, so that either may
// continue where the other stopped. Separate from booting because tests migrate databases of their own.
import { readdir, readFile } from 'node:fs/promises'
import path from 'node:path'
import { ROOT } from './bundle.ts'

const MIGRATIONS = path.join(ROOT, 'src/ledger/migrations')
const CREATE_TABLE = `CREATE TABLE IF NOT EXISTS d1_migrations(
  id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT UNIQUE, applied_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP NOT NULL)`

/** What a migration needs of a D1 database. */
export interface MigrationDatabase<Statement> {
  prepare(sql: string): Statement & { bind(...values: unknown[]): Statement; all(): Promise<{ results: unknown[] }> }
  batch(statements: Statement[]): Promise<unknown>
}

/** Strings, quoted names, comments, words, and everything else one character at a time. */
const SQL_TOKEN = /'(?:[^']|'')*'|"(?:[^"]|"")*"|`[^`]*`|--[^\n]*|\/\*[\s\S]*?\*\/|\w+|[\s\S]/g

/**
 * The statements of an SQL script, without comments and empty ones. A semicolon ends a statement except in strings,
 * comments, and between `BEGIN` or `CASE` and its `END`.
 */
export function splitStatements(sql: string): string[] {
  const statements: string[] = []
  let current = ''
  let depth = 0
  for (const [token] of sql.matchAll(SQL_TOKEN)) {
    if (token.startsWith('--') || token.startsWith('/*')) continue
    if (/^(begin|case)$/i.test(token)) depth += 1
    else if (/^end$/i.test(token)) depth -= 1
    if (token === ';' && depth === 0) {
      statements.push(current.trim())
      current = ''
    } else current += token
  }
  return [...statements, current.trim()].filter((statement) => statement !== '')
}

async function appliedNames<S>(database: MigrationDatabase<S>): Promise<ReadonlySet<string>> {
  const { results } = await database.prepare('SELECT name FROM d1_migrations').all()
  const names = results.map((row) => (typeof row === 'object' && row !== null && 'name' in row ? row.name : undefined))
  return new Set(names.filter((name) => typeof name === 'string'))
}

/**
 * Applies what is missing, in the order of the files' names, each file whole or not at all. Repeating it changes nothing.
 * Returns the names of what it applied.
 */
export async function migrate<S>(database: MigrationDatabase<S>, folder: string = MIGRATIONS): Promise<string[]> {
  await database.prepare(CREATE_TABLE).all()
  const applied = await appliedNames(database)
  const files = (await readdir(folder)).filter((name) => name.endsWith('.sql')).toSorted()
  const missing = files.filter((name) => !applied.has(name))
  for (const name of missing) {
    const statements = splitStatements(await readFile(path.join(folder, name), 'utf8'))
    const done = database.prepare('INSERT INTO d1_migrations(name) VALUES (?)').bind(name)
    await database.batch([...statements.map((statement) => database.prepare(statement)), done])
  }
  return missing
}
