// What is loaded late: at once when it is there, once however many ask, and again after a failure.
import { describe, expect, test } from 'vitest'
import { late, lateRegistry, present } from '../../src/core/late.ts'

describe('what is loaded late', () => {
  test('is nothing before it is loaded, and at hand without a promise from then on', async () => {
    const part = late(async () => ({ name: 'reef' }))
    expect(part.now()).toBeNull()
    const loaded = await part.load()
    expect(part.now()).toBe(loaded)
  })

  test('is one thing, however many ask for it first', async () => {
    const part = late(async () => import('../../src/core/late.ts'))
    const [one, other] = await Promise.all([part.load(), part.load()])
    expect(one).toBe(other)
    expect(part.now()).toBe(one)
  })

  test('is loaded again after it could not be', async () => {
    const answers = [Promise.reject(new Error('away')), Promise.resolve('here')]
    const part = late(async () => answers.shift() ?? 'never')
    await expect(part.load()).rejects.toThrow('away')
    expect(part.now()).toBeNull()
    expect(await part.load()).toBe('here')
    expect(await part.load()).toBe('here')
  })
})

describe('a registry', () => {
  const registry = () => lateRegistry<'near' | 'far', string>({ near: present('here'), far: late(async () => 'there') })

  test('has what is present, and what is late once it is loaded', async () => {
    const { of, get } = registry()
    expect(get('near')).toBe('here')
    expect(() => get('far')).toThrow('far is not loaded')
    await of('far').load()
    expect(get('far')).toBe('there')
  })

  test('knows its names without loading anything, and gives all when asked for all', async () => {
    const { all, has, names, of } = registry()
    expect(names).toEqual(['near', 'far'])
    expect([has('far'), has('toString')]).toEqual([true, false])
    expect(of('far').now()).toBeNull()
    expect(await all()).toEqual({ near: 'here', far: 'there' })
  })
})
