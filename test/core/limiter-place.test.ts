// Which limiter is near: by what a request tells of where it is from.
import { expect, test } from 'vitest'
import { placeOf } from '../../src/core/limits/limiter-place.ts'

test('every continent has its places, divided where its people are', () => {
  const from = (continent: unknown, longitude?: unknown) => placeOf({ continent, longitude })
  expect([from('NA', '-122.4'), from('NA', '-74.0'), from('NA')]).toEqual(['wnam', 'enam', 'enam'])
  expect([from('EU', '8.7'), from('EU', '21.0'), from('EU', 21), from('EU', 'east')]).toEqual([
    'weur',
    'eeur',
    'eeur',
    'weur',
  ])
  expect([from('AS', '55.3'), from('AS', '139.7'), from('AS', undefined)]).toEqual(['me', 'apac', 'apac'])
  expect([from('SA'), from('OC'), from('AF')]).toEqual(['sam', 'oc', 'afr'])
})

test('whoever doesn’t say where it is from has none near', () => {
  for (const continent of [undefined, null, 'AN', 'XX', 7]) expect(placeOf({ continent, longitude: '8.7' })).toBeNull()
})
