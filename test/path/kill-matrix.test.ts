// A provider dies in the middle of its stream, after a few of its bytes; `npm run test:kill` takes every one of them.
import { killSuite } from '../support/kill-suite.ts'
import { CLIENTS } from '../support/kill-verdict.ts'

killSuite({ clients: CLIENTS, offsets: 6 })
