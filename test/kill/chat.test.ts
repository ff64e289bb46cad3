// What clients of the chat protocol get of a stream whose provider dies.
import { EVERYWHERE } from './everywhere.ts'
import { killSuite } from '../support/kill-suite.ts'

killSuite({ clients: ['chat'], ...EVERYWHERE })
