// A small request of a task that waits a moment for others like it: first in this isolate, where a group that comes to something
// goes to the provider at once, else in the object where the isolates of a region meet. Each request keeps its own admission,
// event and deadline; what can't be had in company, it asks for itself.
import { BATCH_CHARS_MAX, type Batch, type BatchAnswer, type BatchEntry } from '../../core/batch.ts'
import type { Batching } from '../../core/directory.ts'
import { Gatherer } from '../../core/gatherer.ts'
import { type Json, isJsonObject } from '../../core/json.ts'
import { type Result, err, ok } from '../../core/result.ts'
import type { TaskCodec } from '../../dialects/tasks/codec.ts'
import type { Services } from '../../ports.ts'
import type { BatchInputs, Task } from '../../protocols/task.ts'
import { isJsonArray } from '../../wire/read.ts'
import type { TaskAnswer, TaskAttempt } from './answer-task.ts'
import type { FailedAttempt } from '../attempt.ts'
import { callTogether } from './call-together.ts'
import { type OpenCall, noAnswer } from '../call-upstream.ts'

/** Told in the ledger of an attempt that shared its call. */
const TOGETHER_TAG = 'tidegate:together'
/** How long a request relies on others: whoever's request sends for all is kept alive for 30 s after its client has left. */
const RELIANCE_MS = 20_000

/** A request in the group of its isolate. */
interface Member extends BatchEntry {
  /** It speaks for all of them to the breaker: what befell one call is one failure. */
  isFirst: boolean
  isSent: boolean
}

/** Groups of an isolate: they live as long as its services. */
const gatherers = new WeakMap<Services['upstream'], Gatherer<Member, BatchAnswer>>()

function gathererOf({ upstream }: Services): Gatherer<Member, BatchAnswer> {
  const known = gatherers.get(upstream)
  if (known !== undefined) return known
  const made = new Gatherer<Member, BatchAnswer>()
  gatherers.set(upstream, made)
  return made
}

/** What came of asking together with others; null where the request is to be asked for itself. */
export async function askTogether(
  attempt: TaskAttempt,
  codec: TaskCodec,
  call: OpenCall,
): Promise<Result<TaskAnswer, FailedAttempt<Task>> | null> {
  const { exchange, plan } = attempt
  const { services } = exchange
  const { batching } = plan.target
  const own = exchange.protocol.batches?.inputs(exchange.body()) ?? null
  const gatherer = gathererOf(services)
  if (batching === undefined || own === null || gatherer.isFull) return null
  const inputs = Math.min(batching.maxBatchSize, plan.target.maxBatchSize ?? codec.batchMax(plan.target))
  // Who fills half of a call has company enough.
  if (own.inputs.length * 2 > inputs || own.chars * 2 > BATCH_CHARS_MAX) return null
  const member: Member = {
    inputs: own.inputs,
    chars: own.chars,
    weight: plan.promptTokens,
    isFirst: false,
    isSent: false,
  }
  const batch = batchOf(attempt, own, { ...batching, maxBatchSize: inputs })
  const lot = { entries: [member], isGone: () => call.abort.signal.aborted }
  const bounds = { inputs, chars: BATCH_CHARS_MAX, waitMs: Math.ceil(batching.maxWaitMs / 2) }
  const asked = gatherer.add(batch.key, lot, bounds, {
    sleep: services.sleep,
    keep: exchange.later,
    send: (members) => send(members, batch, exchange.caller.tenantId, services),
  })
  const answers = await inTime(asked, services, call.abort.signal)
  if (answers === 'stopped') return err(stopped(attempt, call, member))
  if (answers === null) services.log.warn('batch-lost', { target: plan.target.id })
  const answer = answers?.[0]
  return answer === undefined ? null : concluded(attempt, answer, member)
}

function batchOf({ exchange, plan }: TaskAttempt, own: BatchInputs, batching: Batching): Batch {
  const target = { ...plan.target, batching }
  const { name: task } = exchange.protocol
  const key = JSON.stringify([exchange.caller.tenantId, task, own.kind, sorted(own.shared), target])
  return { key, task, target, body: own.shared, entries: [] }
}

/** The same value for bodies that say the same in another order. */
function sorted(value: Json): Json {
  if (isJsonArray(value)) return value.map(sorted)
  if (!isJsonObject(value)) return value
  const names = Object.keys(value).toSorted()
  return Object.fromEntries(names.map((name) => [name, sorted(value[name] ?? null)]))
}

/** Sends a group of this isolate: to the provider if it fills half of a call, else to where it may find more company. */
async function send(
  members: readonly Member[],
  batch: Batch,
  tenantId: string,
  services: Services,
): Promise<readonly BatchAnswer[]> {
  const entries = members.map((member, at): BatchEntry => {
    Object.assign(member, { isFirst: at === 0, isSent: true })
    return { inputs: member.inputs, chars: member.chars, weight: member.weight }
  })
  const whole = { ...batch, entries }
  const count = entries.reduce((sum, { inputs }) => sum + inputs.length, 0)
  const isEnough = count * 2 >= (batch.target.batching?.maxBatchSize ?? 0)
  if (services.batcher === undefined || isEnough) return callTogether(whole, services)
  return services.batcher(tenantId, batch.target.id).ask(whole)
}

/** The answers; null for none that could be relied on. */
async function inTime(
  asked: Promise<readonly BatchAnswer[]>,
  { sleep }: Services,
  signal: AbortSignal,
): Promise<readonly BatchAnswer[] | 'stopped' | null> {
  const stop = new Promise<'stopped'>((resolve) => {
    signal.addEventListener('abort', () => resolve('stopped'), { once: true })
    if (signal.aborted) resolve('stopped')
  })
  return Promise.race([asked.catch(() => null), stop, sleep(RELIANCE_MS).then(() => null)])
}

/** The client left, or the time is over: the others of the group go on. */
function stopped(attempt: TaskAttempt, { abort }: OpenCall, { isSent }: Member): FailedAttempt<Task> {
  return { attempt, failure: noAnswer(abort.signal, null), usage: null, visibleChars: 0, isBilled: isSent }
}

function concluded(
  attempt: TaskAttempt,
  answer: BatchAnswer,
  { isFirst }: Member,
): Result<TaskAnswer, FailedAttempt<Task>> {
  const { told } = answer
  if (isFirst && told !== undefined) {
    attempt.exchange.services.headroom.note(attempt.plan.target, new Headers({ ...told }))
  }
  if (!answer.ok) {
    const { failure, isBilled } = answer
    return err({ attempt, failure, usage: null, visibleChars: 0, isBilled, ...(isFirst ? {} : { isTold: true }) })
  }
  const { text, share, together } = answer
  if (together > 1) attempt.event.tags = [...attempt.event.tags, TOGETHER_TAG]
  return ok({ text, usage: share.usage, share, together })
}
