// What clients of the messages protocol get of a stream whose provider dies.
import { EVERYWHERE } from './everywhere.ts'
import { killSuite } from '../support/kill-suite.ts'

killSuite({ clients: ['messages'], ...EVERYWHERE })
