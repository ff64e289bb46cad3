// The shortest time until the reply is whole, as the targets did lately: to the first token, then at their pace. Times
// that lie close together are shuffled, so that isolates which know the same don't all run to the same target.
import { type Strategy, sortedBy } from './strategy.ts'

/** Times within this share of each other count as equal, on average. */
const JITTER = 0.1

/** Behind all that is known. */
const LAST = 1e12

/** From the fastest to the slowest. A target of which nothing is known of late comes first: it is known after one call. Where
 *  somebody else has been sent to find out, it comes last. */
export const fastest: Strategy = {
  name: 'fastest',
  order: (members, { draw, speed, likelyOutputTokens }) =>
    sortedBy(members, ({ candidates: [first] }) => {
      const known = speed(first.target)
      if (known === null) return -1 + draw()
      if (known === 'tried-elsewhere') return LAST + draw()
      const writingMs = known.tokensPerSecond > 0 ? (1000 * likelyOutputTokens) / known.tokensPerSecond : 0
      return (known.ttftMs + writingMs) * (1 + JITTER * draw())
    }),
}
