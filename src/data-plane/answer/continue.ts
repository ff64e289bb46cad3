// Goes on with a reply whose provider died in the middle of it: who is asked, for what, and how that is put behind what the client
// has already. The attempt is one like any other: admitted for itself, with a permit, a reservation and a usage event of its own.
// Loaded with the first stream that breaks off.
import {
  continuationMethod,
  continuedRequest,
  echoesPrefix,
  shownText,
  whyNotContinued,
} from '../../core/reply/continuation.ts'
import type { Target } from '../../core/directory.ts'
import { tokensOfChars } from '../../core/estimate/estimate.ts'
import type { Failure } from '../../core/failure.ts'
import type { NeutralRequest } from '../../core/neutral.ts'
import type { Result } from '../../core/result.ts'
import { Seam } from '../../core/reply/seam.ts'
import type { Told } from '../../core/reply/told.ts'
import type { Usage } from '../../core/money/usage.ts'
import { dialects } from '../../dialects/index.ts'
import type { StreamWriter } from '../../protocols/protocol.ts'
import type { Attempt } from '../attempt.ts'
import { ContinuationWriter } from './continuation-writer.ts'
import { clientsGaps } from '../dropped.ts'
import type { ReadExchange } from '../exchange.ts'
import { framerFor } from '../framing/index.ts'
import { type Lane, translatedLane } from './lane.ts'
import { type LaneFor, type OpenAnswer, tryStream } from './open-answer.ts'
import { type Answered, ATTEMPTS_MAX, pursue } from '../pursue.ts'
import { type RoutedRequest, switchedOff } from '../route/route.ts'
import { modelOf } from '../limits/sizing.ts'
import { isMetered } from './stream-limits.ts'
import type { RelayEnd } from './upstream-stream.ts'
import { usedSoFar } from '../used.ts'

/** A reply is the work of this many at most: what breaks off again and again is dear, and no accident. */
const MAKERS_MAX = 3
/** What the instruction to go on takes, at most. */
const INSTRUCTION_TOKENS = 80

/** A reply that broke off. */
export interface Broken {
  readonly exchange: ReadExchange
  readonly routed: RoutedRequest
  readonly attempt: Attempt
  readonly lane: Lane
  readonly end: RelayEnd
  /** What went before, where it isn't the first time. */
  readonly story: Story | null
}

/** A reply that several made. */
export interface Story {
  readonly told: Told
  /** Stands where the reply broke off. */
  readonly writer: StreamWriter
  readonly isSigned: boolean
  /** The prompt of the first, and the output of all so far. */
  readonly used: Usage
  readonly promptTokens: number
  /** Who broke off, in order. */
  readonly targetIds: readonly string[]
}

/** How a reply is gone on with. */
export interface ContinuationPlan {
  readonly story: Story
  /** Asks one candidate after another. The attempt that broke off has to be settled by then. */
  follow(): Promise<Result<Answered<OpenAnswer>, Failure>>
}

/** How to go on with a reply; null where that can't be done. */
export function planContinuation(broken: Broken): ContinuationPlan | null {
  const { attempt, exchange } = broken
  const { services, startedAtMs } = exchange
  const isLate = services.nowMs() >= startedAtMs + attempt.plan.target.timeouts.totalMs
  if (isLate || attempt.plan.number >= ATTEMPTS_MAX) return null
  const story = storyOf(broken)
  if (story === null || story.targetIds.length >= MAKERS_MAX || story.told.whyNot(story.isSigned) !== null) return null
  const request = neutralOf(broken)
  if (request === null || whyNotContinued(request) !== null) return null
  const continued = requestFor(request, story.told.text, leftTokens(broken, story.told))
  const routed = routedOn(broken, continued)
  return routed.plan.candidates.length === 0 ? null : { story, follow: () => follow(broken, routed, story, continued) }
}

/** What was told and used until now. */
function storyOf({ attempt, lane, story: before }: Broken): Story | null {
  const { usage, visibleChars } = lane
  const used = usedSoFar(attempt, usage, visibleChars)
  const targetIds = [...(before?.targetIds ?? []), attempt.plan.target.id]
  if (before !== null) return { ...before, used: together(before.used, used), targetIds }
  const { told, writer = null, isSigned = false } = lane.resumption?.() ?? {}
  if (told === undefined || writer === null) return null
  return { told, writer, isSigned, used, promptTokens: attempt.plan.promptTokens, targetIds }
}

/** The prompt of the first, the output of both. */
function together(first: Usage, more: Usage): Usage {
  return {
    ...first,
    output: first.output + more.output,
    reasoning: first.reasoning + more.reasoning,
    audioOutput: first.audioOutput + more.audioOutput,
  }
}

function neutralOf({ exchange, routed }: Broken): NeutralRequest | null {
  if (routed.neutral !== null) return routed.neutral
  const read = exchange.protocol.read(exchange.body())
  return read.ok ? read.value : null
}

/** What is left of the client's own output bound: something always is, or the reply would have ended. */
function leftTokens({ attempt, exchange }: Broken, { text }: Told): number | null {
  const { maxOutputTokens } = exchange.facts
  return maxOutputTokens === null ? null : Math.max(1, maxOutputTokens - toldTokens(attempt, text))
}

function toldTokens({ exchange, plan }: Attempt, text: string): number {
  return tokensOfChars(text.length, exchange.services.calibration.charsPerToken(modelOf(plan.target)))
}

type RequestFor = (target: Target) => NeutralRequest

function requestFor(request: NeutralRequest, text: string, maxOutputTokens: number | null): RequestFor {
  return (target) => {
    const { wire } = dialects.get(target.dialect)
    return continuedRequest(request, text, continuationMethod(request, target, wire), wire, maxOutputTokens)
  }
}

/** The other candidates, then the same target once more: those that can carry the request with the beginning of its reply. */
function routedOn({ exchange, routed, attempt }: Broken, continued: RequestFor): RoutedRequest {
  const { target } = attempt.plan
  const same = routed.plan.candidates.find((candidate) => candidate.target.id === target.id)
  // A request that was sent to another model has left the candidates of its plan.
  const others = same === undefined ? [] : routed.plan.candidates.filter((candidate) => candidate !== same)
  const { timeoutMs: _, hedge: __, ...route } = attempt.plan.route
  const candidates = [...others, same ?? { target }].filter(
    (candidate) =>
      switchedOff(exchange, candidate.target) === null && isCarried(candidate.target, continued, route.allowedGaps),
  )
  return { plan: { ...routed.plan, route, candidates }, neutral: routed.neutral }
}

function isCarried(target: Target, continued: RequestFor, allowedGaps: readonly string[]): boolean {
  const gaps = clientsGaps(dialects.get(target.dialect), continued(target), target)
  return gaps.every(({ field }) => allowedGaps.includes(field))
}

function follow(
  broken: Broken,
  routed: RoutedRequest,
  story: Story,
  goesOn: RequestFor,
): Promise<Result<Answered<OpenAnswer>, Failure>> {
  const { exchange, attempt, end } = broken
  const { text } = story.told
  const left = leftTokens(broken, story.told)
  const going: ReadExchange = {
    ...attempt.exchange,
    client: exchange.client,
    facts: { ...attempt.exchange.facts, maxOutputTokens: left },
    options: { ...exchange.options, timeoutMs: null },
    isContinued: true,
  }
  const purpose = {
    promptTokens: story.promptTokens + toldTokens(attempt, text) + INSTRUCTION_TOKENS,
    cache: attempt.plan.cache,
    isBoundable: true,
    goesOn,
    attemptsBefore: attempt.plan.number,
  } as const
  const reason = end.failure?.class ?? 'stream'
  return pursue(going, routed, purpose, (next) => tryStream(next, laneBehind(story, reason)))
}

/** What a continuation says goes behind what was told. */
function laneBehind(story: Story, reason: string): LaneFor {
  return (attempt, contentType) => {
    const { dialect, plan, exchange } = attempt
    const { target } = plan
    const { told, writer, used, targetIds } = story
    const { wire } = dialect
    const request = plan.goesOn?.(target)
    const method = request === undefined ? 'instruction' : continuationMethod(request, target, wire)
    const shown = shownText(told.text, method, wire)
    const behind = new ContinuationWriter({
      told,
      writer,
      seam: new Seam(told.text, { method, shown, isEchoed: echoesPrefix(target, wire) }),
      targetId: target.id,
      total: (usage) => together(used, usage),
      note: { failover: { from: targetIds, to: target.id, reason, request_id: exchange.requestId } },
    })
    const framer = framerFor(dialect, target, contentType)
    return translatedLane(framer, dialect.reader(target), behind, {
      collects: false,
      isCuttable: isMetered(attempt),
      from: wire,
    })
  }
}
