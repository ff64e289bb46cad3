// A limiter over an object of which nothing is asked but how limits stand.
import type { LimiterObject } from '../../src/core/limits/limits.ts'
import { SwitchBoard } from '../../src/core/switches.ts'
import { leasedLimiter } from '../../src/platform/limiter.ts'
import { virtualClock } from './virtual-clock.ts'

export function limiterOver(limits: LimiterObject['limits'], clock = virtualClock()) {
  const unused = (): never => {
    throw new Error('not asked for')
  }
  const object: LimiterObject = {
    limits,
    call: unused,
    relay: unused,
    hasLimits: unused,
    configure: unused,
    revoke: unused,
    takeSwitches: unused,
    inFlight: unused,
    cancel: unused,
    confirm: unused,
    live: unused,
  }
  const limiter = leasedLimiter({
    object: () => object,
    nowMs: clock.nowMs,
    sleep: clock.sleep,
    newId: () => 'id',
    onRevoked: () => {},
    switches: new SwitchBoard(),
    log: { warn: () => {} },
    sendBeside: unused,
    digest: unused,
  })
  return { limiter, clock }
}
