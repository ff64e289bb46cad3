// What a stream may still say: the output that is paid for, held against what was seen. Where only likely output was reserved,
// more is asked for in good time; where there is no more, the stream ends before it overruns what is reserved. Tokens are of all
// replies together.
import { outputNanoUsd } from '../../core/estimate/estimate.ts'
import { completionTokens } from '../../core/money/usage.ts'
import type { Speaker } from '../../protocols/protocol.ts'
import type { Attempt } from '../attempt.ts'
import type { Lane } from './lane.ts'
import { modelOf } from '../limits/sizing.ts'

/** Why we ended a stream that would have gone on. */
export type CutReason = 'budget-exhausted' | 'slot-lost' | 'key-revoked' | 'switched-off' | 'cancelled'

/** More is asked for when this share of what is paid for may have been said. */
const ASK_AT = 0.8
/** So much is asked for at a time, or twice the slack where that is more; where there isn't as much, half of it … */
const ASK_TOKENS = 512
/** … and so on, down to this. */
const ASK_TOKENS_MIN = 64
/** After a refusal, there may be more when other requests are settled. */
const ASK_AGAIN_MS = 1_000
/** What a provider goes on saying until our abort has reached it, and what we may have missed: a round trip and half a second
 *  of it. */
const SLACK_SECONDS = 0.25 + 0.5
/** A stream's pace is not judged by less than this. */
const PACE_MS_MIN = 1_000
/** Where we are to notice the end of the money, tokens are taken to be short until a model's own figure is known; and that is
 *  an average, which a text may be below. */
const CHARS_PER_TOKEN_CAUTIOUS = 3
const CAUTION = 0.9
/** A provider that was told its bound is trusted to keep it unless it can't have, however long its tokens are. */
const CHARS_PER_TOKEN_TRUSTING = 8
const TRUST = 1.25

export class Allowance {
  readonly #attempt: Attempt<Speaker>
  readonly #lane: Lane
  /** The model's own figure; null while it isn't known. */
  readonly #charsPerToken: number | null
  /** The provider's own bound: it says no more than that. */
  readonly #most: number
  #paid: number
  /** Output tokens that were taken from limits of tokens. */
  #counted: number
  #asking: Promise<void> | null = null
  #askAgainMs = 0
  #sinceMs: number | null = null

  constructor(attempt: Attempt<Speaker>, lane: Lane) {
    const { demand, exchange, maxOutputTokens, plan, isClamped } = attempt
    this.#attempt = attempt
    this.#lane = lane
    this.#charsPerToken = exchange.services.calibration.charsPerToken(modelOf(plan.target))
    this.#most = (maxOutputTokens ?? Infinity) * exchange.facts.choices
    this.#paid = isClamped ? this.#most : demand.paidOutputTokens
    this.#counted = demand.amounts.outputTokens
  }

  /** Asked after every piece: null to go on, at once wherever that can be. */
  mayGoOn(): CutReason | null | Promise<CutReason | null> {
    if (this.#lane.visibleChars === 0 || this.#lane.isComplete) return null
    return this.#paid >= this.#most ? this.#trusting() : this.#metering()
  }

  /** All is paid for that the provider may say: it only has to keep to it. */
  #trusting(): CutReason | null | Promise<CutReason | null> {
    const known = this.#charsPerToken
    const seen = Math.ceil(this.#lane.visibleChars / (known === null ? CHARS_PER_TOKEN_TRUSTING : known * TRUST))
    return seen <= this.#paid ? null : this.#askFor(Math.max(ASK_TOKENS, seen - this.#paid), 'now')
  }

  #metering(): CutReason | null | Promise<CutReason | null> {
    const seen = this.#seen()
    const slack = this.#slack(seen)
    const ahead = seen + slack
    if (ahead < this.#paid * ASK_AT) return null
    const wanted = Math.min(Math.max(ASK_TOKENS, 2 * slack, ahead - this.#paid), this.#most - this.#paid)
    return this.#askFor(wanted, ahead < this.#paid ? 'ahead' : 'now')
  }

  /** Asks unless that is under way, or was in vain a moment ago. Only who needs it now waits for the answer. */
  #askFor(tokens: number, when: 'ahead' | 'now'): CutReason | null | Promise<CutReason | null> {
    const { services } = this.#attempt.exchange
    if (this.#asking === null) {
      if (services.nowMs() < this.#askAgainMs) return when === 'now' ? 'budget-exhausted' : null
      if (this.#ask(Math.ceil(tokens))) return when === 'now' ? this.mayGoOn() : null
    }
    return when === 'now' && this.#asking !== null ? this.#asking.then(() => this.mayGoOn()) : null
  }

  /** True when it was had at once. */
  #ask(tokens: number): boolean {
    const answer = this.#extend(tokens)
    if (answer === true) {
      this.#paid += tokens
      return true
    }
    this.#asking = this.#askOn(answer, tokens).finally(() => {
      this.#asking = null
    })
    return false
  }

  async #askOn(first: false | Promise<boolean>, wanted: number): Promise<void> {
    let tokens = wanted
    for (let answer: boolean | Promise<boolean> = first; !(await answer); answer = this.#extend(tokens)) {
      tokens = Math.floor(tokens / 2)
      if (tokens < ASK_TOKENS_MIN) {
        this.#askAgainMs = this.#attempt.exchange.services.nowMs() + ASK_AGAIN_MS
        return
      }
    }
    this.#paid += tokens
  }

  /** Tokens are taken from the rates as far as those have them: what they haven't is overdrawn when the stream is settled,
   *  and others wait for it. No stream is cut for that; it is for want of money. */
  #extend(tokens: number): boolean | Promise<boolean> {
    const uncounted = Math.max(0, this.#paid + tokens - this.#counted)
    if (uncounted === 0 || !this.#attempt.reservation.limitsTokens) return this.#reserve(tokens, 0)
    const answer = this.#reserve(tokens, uncounted)
    if (answer === true) return this.#counts(uncounted)
    if (answer === false) return this.#reserve(tokens, 0)
    return answer.then((isHad) => (isHad ? this.#counts(uncounted) : this.#reserve(tokens, 0)))
  }

  #counts(tokens: number): true {
    this.#counted += tokens
    return true
  }

  #reserve(tokens: number, outputTokens: number): boolean | Promise<boolean> {
    const { demand, exchange, reservation } = this.#attempt
    const more = { requests: 0, inputTokens: 0, outputTokens, slots: 0, nanoUsd: outputNanoUsd(demand, tokens) }
    const answer = reservation.extend(more, exchange.later)
    return answer instanceof Promise ? answer.catch(() => false) : answer
  }

  /** Tokens that were said, rather too many than too few: characters beyond ASCII are counted as a token each. */
  #seen(): number {
    const { visibleChars, wideBytes = 0, usage } = this.#lane
    const known = this.#charsPerToken
    const charsPerToken = known === null ? CHARS_PER_TOKEN_CAUTIOUS : known * CAUTION
    const wide = Math.min(visibleChars, wideBytes / 2)
    const said = (visibleChars - wide) / charsPerToken + wide / Math.min(1, charsPerToken)
    return Math.max(Math.ceil(said), usage === null ? 0 : completionTokens(usage))
  }

  #slack(seen: number): number {
    const nowMs = this.#attempt.exchange.services.nowMs()
    this.#sinceMs ??= nowMs
    const paceMs = Math.max(PACE_MS_MIN, nowMs - this.#sinceMs)
    return Math.ceil(((seen * 1_000) / paceMs) * SLACK_SECONDS)
  }
}
