// What the gateway's operator wants done with models that have no price: from the Worker's variables. Whatever can't be
// understood means refusal, since somebody wanted something.
import { priceOf, priceVersionOf } from '../catalog/price-units.ts'
import type { UnpricedPolicy } from '../core/money/price-book.ts'
import type { GatewayEnv } from '../env.ts'
import type { Log } from '../ports.ts'

/** The policy that `UNPRICED_MODELS` and `DEFAULT_PRICE` name; models without a price are charged nothing unless set. */
export function readUnpriced(env: Pick<GatewayEnv, 'UNPRICED_MODELS' | 'DEFAULT_PRICE'>, log: Log): UnpricedPolicy {
  const { UNPRICED_MODELS: action = 'zero', DEFAULT_PRICE: text = '' } = env
  if (action === 'zero' || action === 'refuse') return { action }
  const found = /^(\d{1,6}(?:\.\d{1,6})?),(\d{1,6}(?:\.\d{1,6})?)$/.exec(text.replaceAll(' ', ''))
  if (action !== 'default' || found === null) {
    log.warn('bad-setting', { names: 'UNPRICED_MODELS, DEFAULT_PRICE', unpriced: action, price: text })
    return { action: 'refuse' }
  }
  const price = priceOf({ input: Number(found[1]), output: Number(found[2]) })
  return { action, price, priceVersion: priceVersionOf('default', price) }
}
