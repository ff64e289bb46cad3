// Runs the protocol contract over the registry.
import { dialects } from '../../src/dialects/index.ts'
import { protocols } from '../../src/protocols/index.ts'
import { protocolContract } from './protocol.contract.ts'

for (const protocol of Object.values(protocols)) {
  const dialect = Object.values(dialects).find((candidate) => candidate.wire === protocol.wire)
  if (dialect === undefined) throw new Error(`No dialect speaks the wire of the protocol ${protocol.name}.`)
  protocolContract(protocol, dialect)
}
