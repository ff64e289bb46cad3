// `.dev.vars`: what it sets, and that a slip in it is named rather than lost.
import { describe, expect, it } from 'vitest'
import { parseDevVars, readDevVars } from '../../src/local/dev-vars.ts'

describe('.dev.vars', () => {
  it('sets variables, with or without quotes, comments and export', () => {
    const text = [
      '# credentials',
      '',
      'A=1',
      'export B = two words # why',
      'C="with # and = inside"',
      "D=''",
      'A=last',
    ].join('\r\n')
    expect(parseDevVars(text, '.dev.vars')).toEqual({ A: 'last', B: 'two words', C: 'with # and = inside', D: '' })
  })

  it.each([
    ['no assignment', 'A=1\nsk-secret', 2],
    ['an open quote', 'A=1\n\nB="half', 3],
    ['a name that is none', '1A=x', 1],
  ])('names the line with %s, and does not repeat its content', (_, text, line) => {
    const parse = (): unknown => parseDevVars(text, '.dev.vars')
    expect(parse).toThrow(`.dev.vars, line ${line}: expected KEY=VALUE`)
    expect(parse).not.toThrow('sk-secret')
  })

  it('may be absent', async () => {
    expect(await readDevVars('/does/not/exist/.dev.vars')).toEqual({})
  })

  it('is a problem of one line when it is no file', async () => {
    await expect(readDevVars(import.meta.dirname)).rejects.toThrow(/^.*can't be read \(EISDIR\).*$/)
  })
})
