// Runs the dialect contract over the registry.
import { dialects } from '../support/registries.ts'
import { dialectContract } from './dialect.contract.ts'

for (const dialect of Object.values(dialects)) dialectContract(dialect)
