// What clients of the completions protocol get of a stream whose provider dies.
import { EVERYWHERE } from './everywhere.ts'
import { killSuite } from '../support/kill-suite.ts'

killSuite({ clients: ['completions'], ...EVERYWHERE })
