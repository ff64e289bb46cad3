// Runs the protocol contract over the registry.
import { expect, test } from 'vitest'
import { PROTOCOL_PLACES } from '../../src/protocols/index.ts'
import { dialects, protocols } from '../support/registries.ts'
import { protocolContract } from './protocol.contract.ts'

for (const protocol of Object.values(protocols)) {
  const dialect = Object.values(dialects).find((candidate) => candidate.wire === protocol.wire)
  if (dialect === undefined) throw new Error(`No dialect speaks the wire of the protocol ${protocol.name}.`)
  protocolContract(protocol, dialect)
}

test('every protocol is spoken where the routing of requests has it', () => {
  const places = Object.entries(protocols).map(([name, { endpoint, wire }]) => [name, { endpoint, wire }])
  expect(Object.fromEntries(places)).toEqual(PROTOCOL_PLACES)
})
