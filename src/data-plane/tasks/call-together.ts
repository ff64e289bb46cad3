// Puts requests that met to their provider as one call, and divides its answer. Runs where they met: in the object of a region,
// or in an isolate that has a group of its own. What is wrong with one request alone is found out one by one.
import {
  type Batch,
  type BatchAnswer,
  type BatchEntry,
  type BatchShare,
  type ToldHeaders,
  sharesOf,
} from '../../core/batch.ts'
import type { UpstreamFailure } from '../../core/failure.ts'
import type { JsonObject } from '../../core/json.ts'
import { type Result, err, ok } from '../../core/result.ts'
import { type Units, promptTokens } from '../../core/money/usage.ts'
import { dialects } from '../../dialects/index.ts'
import { brokenStream } from '../../dialects/failures/provider-error.ts'
import { taskCodec } from '../../dialects/tasks/index.ts'
import type { Services } from '../../ports.ts'
import { tasks } from '../../protocols/tasks/index.ts'
import { limitedText, noAnswer } from '../call-upstream.ts'
import { type ReadReply, readTaskReply } from './task-reply.ts'

/** Bytes of an error body that are looked at. */
const ERROR_BYTES_MAX = 65_536
/** Single calls under way at once. */
const CALLS_AT_ONCE = 6
/** Headers of one answer that are passed on, and characters of each. */
const TOLD_MAX = 32
const TOLD_CHARS_MAX = 200

export type TogetherPorts = Pick<Services, 'upstream' | 'nowMs'>

/** The answers, in the order of the entries. A call that is refused for what it asks is made again for each request by itself. */
export async function callTogether(batch: Batch, ports: TogetherPorts): Promise<readonly BatchAnswer[]> {
  const heard: Heard = {}
  const result = await callOnce(batch, ports, heard)
  const isDoubtful = !result.ok && result.error.class === 'client' && batch.entries.length > 1
  if (isDoubtful) return callApart(batch, ports)
  const answers = result.ok ? result.value : batch.entries.map(() => failed(result.error))
  const { told } = heard
  return told === undefined ? answers : answers.map((answer) => ({ ...answer, told }))
}

/** What a call's answer says besides, whatever its status. */
interface Heard {
  told?: ToldHeaders
}

/** The headers about rate limits: who asked together hears of them as who asks alone. Missing for none. */
function toldBy(headers: Headers): ToldHeaders | undefined {
  const told = [...headers].filter(([name, value]) => name.includes('ratelimit') && value.length <= TOLD_CHARS_MAX)
  return told.length === 0 ? undefined : Object.fromEntries(told.slice(0, TOLD_MAX))
}

function failed(failure: UpstreamFailure): BatchAnswer {
  // A provider that doesn't answer in time may have counted all the same.
  return { ok: false, failure, isBilled: failure.class === 'timeout' }
}

async function callApart(batch: Batch, ports: TogetherPorts): Promise<readonly BatchAnswer[]> {
  const answers: BatchAnswer[] = []
  let next = 0
  const work = async (): Promise<void> => {
    while (next < batch.entries.length) {
      const at = next++
      const [answer] = await callTogether({ ...batch, entries: batch.entries.slice(at, at + 1) }, ports)
      if (answer !== undefined) answers[at] = answer
    }
  }
  await Promise.all(Array.from({ length: CALLS_AT_ONCE }, work))
  return answers
}

async function callOnce(
  batch: Batch,
  ports: TogetherPorts,
  heard: Heard,
): Promise<Result<readonly BatchAnswer[], UpstreamFailure>> {
  const beganAtMs = ports.nowMs()
  const made = await make(batch, ports, heard)
  if (!made.ok) return made
  const { usage } = made.value
  const { price } = batch.target
  const units: Units = {
    ...(price?.units?.requests === undefined ? {} : { requests: 1 }),
    ...(price?.units?.busyMilliseconds === undefined ? {} : { busyMilliseconds: ports.nowMs() - beganAtMs }),
  }
  const counts = batch.entries.map(({ inputs }) => inputs.length)
  const bodies = tasks[batch.task].batches?.apart(made.value.body, counts) ?? null
  if (bodies === null) return err(brokenStream("The provider's reply doesn't say which vector is whose."))
  const shares = sharesOf(
    { usage, units, price },
    batch.entries.map(({ weight }) => weight),
  )
  return ok(bodies.map((body, at) => answered(body, shares[at], batch.entries[at], bodies.length)))
}

const NO_SHARE: BatchShare = { usage: null, units: {}, costNanoUsd: null }

function answered(
  body: JsonObject,
  share: BatchShare = NO_SHARE,
  entry: BatchEntry | undefined,
  together: number,
): BatchAnswer {
  // As in the ledger: its own estimate where nothing was counted.
  const tokens = share.usage === null ? (entry?.weight ?? 0) : promptTokens(share.usage)
  const text = JSON.stringify({ ...body, usage: { prompt_tokens: tokens, total_tokens: tokens } })
  return { ok: true, text, share, together }
}

async function make(
  batch: Batch,
  { upstream, nowMs }: TogetherPorts,
  heard: Heard,
): Promise<Result<ReadReply, UpstreamFailure>> {
  const { target } = batch
  const dialect = await dialects.of(target.dialect).load()
  const codec = taskCodec(batch.task, target)
  const inputs = batch.entries.flatMap((entry) => entry.inputs)
  const body = tasks[batch.task].batches?.together(batch.body, inputs)
  if (codec === null || body === undefined) return err(brokenStream(''))
  const request = { body, text: null, model: target.model }
  const abort = new AbortController()
  const timer = setTimeout(() => abort.abort('timed-out'), target.timeouts.firstContentMs)
  try {
    const response = await upstream.call(target, codec.write(request, target), dialect.name, abort.signal)
    const told = toldBy(response.headers)
    if (told !== undefined) heard.told = told
    if (response.ok) {
      const whyCut = (error: unknown): UpstreamFailure | null =>
        abort.signal.aborted ? noAnswer(abort.signal, error) : null
      return await readTaskReply(response, { codec, request, dialect, nowMs }, whyCut)
    }
    const text = await limitedText(response, ERROR_BYTES_MAX)
    return err(dialect.fail(response.status, response.headers, text ?? '', nowMs()))
  } catch (error) {
    return err(noAnswer(abort.signal, error))
  } finally {
    clearTimeout(timer)
  }
}
