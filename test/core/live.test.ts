// Who hears of which change: what is theirs, of everything what is everybody's, and of too much at once rather all of it than too
// little.
import { expect, test } from 'vitest'
import { type Audience, type Change, GatheredChanges, hintText } from '../../src/core/live.ts'

const EVERYTHING: Audience = { tenantId: null, teamId: null }
const ACME: Audience = { tenantId: 'acme', teamId: null }
const SEARCH: Audience = { tenantId: 'acme', teamId: 'search' }
const ADS: Audience = { tenantId: 'acme', teamId: 'ads' }
const GLOBEX: Audience = { tenantId: 'globex', teamId: null }
const ALL = { EVERYTHING, ACME, SEARCH, ADS, GLOBEX }

function hearing(of: Change['of']): readonly string[] {
  const changes = new GatheredChanges()
  changes.add({ kind: 'requests', of })
  return Object.entries(ALL).flatMap(([name, audience]) => (changes.kindsFor(audience).length > 0 ? [name] : []))
}

test.each([
  ['everybody’s is told to all', 'everybody', ['EVERYTHING', 'ACME', 'SEARCH', 'ADS', 'GLOBEX']],
  ['the deployment’s to those who look after all of it', 'deployment', ['EVERYTHING']],
  [
    'a tenant’s to the tenant and each of its teams',
    [{ tenantId: 'acme', teamId: null }],
    ['EVERYTHING', 'ACME', 'SEARCH', 'ADS'],
  ],
  ['a team’s to the team and its tenant', [{ tenantId: 'acme', teamId: 'search' }], ['EVERYTHING', 'ACME', 'SEARCH']],
  ['what is of no team to no team', [{ tenantId: 'acme', teamId: '' }], ['EVERYTHING', 'ACME']],
  ['nobody’s to those who look after all of it', [], ['EVERYTHING']],
] as const)('%s', (_, of, names) => {
  expect(hearing(of)).toEqual(names)
})

test('several changes of a kind are one, whichever of them somebody hears of', () => {
  const changes = new GatheredChanges()
  changes.add({ kind: 'requests', of: [{ tenantId: 'acme', teamId: 'search' }] })
  changes.add({ kind: 'configuration', of: [{ tenantId: 'globex', teamId: null }] })
  changes.add({ kind: 'requests', of: [{ tenantId: 'acme', teamId: null }] })
  changes.add({ kind: 'requests', of: [{ tenantId: 'acme', teamId: 'search' }] })
  expect(changes.kindsFor(ADS)).toEqual(['requests'])
  expect(hintText(changes.kindsFor(EVERYTHING))).toBe('{"v":1,"changed":["requests","configuration"]}')
})

test('of more owners than are told apart, everybody is told', () => {
  const owners = (count: number) => Array.from({ length: count }, (_, at) => ({ tenantId: `t${at}`, teamId: '' }))
  expect(hearing(owners(2_000))).toEqual(['EVERYTHING'])
  expect(hearing(owners(2_001))).toEqual(Object.keys(ALL))
})
