// Runs the dialect contract over the registry.
import { dialects } from '../../src/dialects/index.ts'
import { dialectContract } from './dialect.contract.ts'

for (const dialect of Object.values(dialects)) dialectContract(dialect)
