// Where one SQL statement ends and the next begins.
import { readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { describe, expect, it } from 'vitest'
import { splitStatements } from '../../src/local/migrate.ts'

const MIGRATIONS = path.resolve(import.meta.dirname, '../../src/ledger/migrations')

describe('an SQL script', () => {
  it.each([
    ['plain statements', 'SELECT 1;\nSELECT 2', ['SELECT 1', 'SELECT 2']],
    ['nothing but comments', '-- one; two\n/* three; */ ;', []],
    ['semicolons in strings and names', `SELECT 'a;''b', "c;d";SELECT 2;`, [`SELECT 'a;''b', "c;d"`, 'SELECT 2']],
    ['a CASE', 'SELECT CASE WHEN 1 THEN 2 END; SELECT 3', ['SELECT CASE WHEN 1 THEN 2 END', 'SELECT 3']],
    ['a name that contains a keyword', 'SELECT begins, weekend; SELECT 2', ['SELECT begins, weekend', 'SELECT 2']],
  ])('is split at its semicolons: %s', (_, sql, statements) => {
    expect(splitStatements(sql)).toEqual(statements)
  })

  it('keeps a trigger whole', () => {
    const trigger = 'CREATE TRIGGER t AFTER INSERT ON a BEGIN\n  DELETE FROM b; SELECT CASE WHEN 1 THEN 2 END;\nEND'
    expect(splitStatements(`${trigger};\nSELECT 1;`)).toEqual([trigger, 'SELECT 1'])
  })

  it('means the same to SQLite split and whole, for every migration', () => {
    const whole = new DatabaseSync(':memory:')
    const split = new DatabaseSync(':memory:')
    const files = readdirSync(MIGRATIONS).filter((name) => name.endsWith('.sql'))
    for (const name of files.toSorted()) {
      const sql = readFileSync(path.join(MIGRATIONS, name), 'utf8')
      whole.exec(sql)
      for (const statement of splitStatements(sql)) split.prepare(statement).run()
    }
    const schema = 'SELECT type, name, tbl_name FROM sqlite_schema ORDER BY name'
    expect(split.prepare(schema).all()).toEqual(whole.prepare(schema).all())
    expect(files.length).toBeGreaterThan(0)
  })
})
