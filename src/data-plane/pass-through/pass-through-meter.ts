// What is understood of a passed-through reply: on a path whose wire is known its usage is read while the bytes go by; on any
// other that runs a model, from whatever member of the reply, or header, tells it.
import type { Inference } from '../../catalog/inference.ts'
import type { Target } from '../../core/directory.ts'
import { type JsonObject, isJsonObject, parseJson } from '../../core/json.ts'
import { NO_USAGE, type Usage } from '../../core/money/usage.ts'
import type { Dialect, Frame } from '../../dialects/dialect.ts'
import { dialects } from '../../dialects/index.ts'
import { readTaskUsage } from '../../dialects/tasks/task-usage.ts'
import type { Log } from '../../ports.ts'
import { arrayOf, countOf, numberOf, objectOf } from '../../wire/read.ts'
import { createFramer } from '../framing/index.ts'
import { type Lane, nativeLane } from '../answer/lane.ts'
import { type ReplyWatch, blindWatch, jsonWatch, relayLane, streamWatch, taskStreamWatch } from '../relay/relay-lane.ts'

const STREAMS = /^(?:text\/event-stream|application\/(?:x-ndjson|vnd\.amazon\.eventstream))\b/i
const EVENTS = /^text\/event-stream\b/i
const JSON_TYPE = /^application\/([\w.+-]+\+)?json\b/i

/** The lane of the reply to a call of `inference`, whose wire is loaded (`loadWireOf`). `hidesUsage`: the stream tells its
 *  usage although the client didn't ask. */
export function laneOf(
  inference: Inference | null,
  target: Target,
  { headers, isStreamed, hidesUsage }: { headers: Headers; isStreamed: boolean; hidesUsage: boolean },
): Lane {
  const type = headers.get('content-type') ?? ''
  const wire = inference?.wire ?? null
  if (wire === null) return relayLane(inference === null ? blindWatch() : plainWatch(inference, headers))
  const dialect = dialects.get(wire)
  if (hidesUsage && EVENTS.test(type)) {
    return nativeLane(dialect, target, { hidesUsage: true, collects: false, ending: () => '' })
  }
  return relayLane(wireWatch(dialect, target, { type, isStreamed }))
}

/** Loads what `laneOf` needs; false when it can't be loaded. */
export async function loadWireOf(inference: Inference | null, log: Log): Promise<boolean> {
  const wire = inference?.wire ?? null
  if (wire === null) return true
  try {
    await dialects.of(wire).load()
    return true
  } catch (error) {
    log.warn('not-loaded', { part: wire, error: String(error) })
    return false
  }
}

/** A watch over a reply in a dialect's own wire. */
function wireWatch(
  dialect: Dialect,
  target: Target,
  { type, isStreamed }: { readonly type: string; readonly isStreamed: boolean },
): ReplyWatch {
  if (JSON_TYPE.test(type) && !isStreamed) return wholeWatch(dialect, target)
  if (!JSON_TYPE.test(type) && !STREAMS.test(type)) return blindWatch()
  const meter = dialect.meter(target)
  const watched = {
    see: (frame: Frame) => (meter.push(frame) === 'error' ? meter.failure : null),
    get usage() {
      return meter.usage
    },
    get visibleChars() {
      return meter.visibleChars
    },
    get isComplete() {
      return meter.isComplete
    },
  }
  return streamWatch(createFramer(type, dialect.framing), watched, false)
}

/** A whole reply: its usage, and its text where it doesn't tell one. */
function wholeWatch(dialect: Dialect, target: Target): ReplyWatch {
  let visibleChars = 0
  const watch = jsonWatch((reply) => {
    const events = dialect.read(reply, target)
    for (const event of events) if (event.type === 'part-delta') visibleChars += event.text.length
    return events.findLast((event) => event.type === 'usage')?.usage ?? null
  })
  return withChars(watch, () => visibleChars)
}

/** A watch over a reply whose wire isn't known. What a model may have written and nobody counted is taken for text. */
function plainWatch({ kind }: Inference, headers: Headers): ReplyWatch {
  const type = headers.get('content-type') ?? ''
  const told = usageInHeaders(headers)
  let bytes = 0
  const watch = JSON_TYPE.test(type) ? jsonWatch(usageInReply) : plainStream(kind, type)
  return {
    push(chunk) {
      bytes += chunk.byteLength
      return watch.push(chunk)
    },
    end: () => watch.end(),
    get usage() {
      return told ?? watch.usage
    },
    get visibleChars() {
      return kind === 'writes' ? bytes : 0
    },
    get isComplete() {
      return watch.isComplete
    },
  }
}

/** Events longer than this carry more than counts. Characters. */
const EVENT_CHARS_MAX = 65_536

function plainStream(kind: Inference['kind'], type: string): ReplyWatch {
  if (!STREAMS.test(type)) return blindWatch()
  if (kind !== 'writes') return taskStreamWatch(type, usageInReply)
  const meter: { usage: Usage | null } & Pick<ReplyWatch, 'visibleChars' | 'isComplete'> = {
    usage: null,
    visibleChars: 0,
    isComplete: false,
  }
  const see = ({ data }: Frame): null => {
    const event = data.length > EVENT_CHARS_MAX ? null : parseJson(data)
    if (isJsonObject(event)) meter.usage = usageInReply(event) ?? meter.usage
    return null
  }
  return streamWatch(createFramer(type, 'sse'), Object.assign(meter, { see }), false)
}

function withChars(watch: ReplyWatch, chars: () => number): ReplyWatch {
  return {
    push: (chunk) => watch.push(chunk),
    end: () => watch.end(),
    get usage() {
      return watch.usage
    },
    get visibleChars() {
      return chars()
    },
    get isComplete() {
      return watch.isComplete
    },
  }
}

/** Bedrock counts for every model that it serves, whatever the model's own wire.
 *  https://docs.aws.amazon.com/bedrock/latest/userguide/inference-invoke.html (read 2026-11-21) */
function usageInHeaders(headers: Headers): Usage | null {
  const input = headers.get('x-amzn-bedrock-input-token-count')
  if (input === null) return null
  const output = Number(headers.get('x-amzn-bedrock-output-token-count') ?? 0)
  return { ...NO_USAGE, input: countOf(Number(input)), output: countOf(output) }
}

/** The counts of a reply, in any of the places that providers have for them; null for none. */
function usageInReply(reply: JsonObject): Usage | null {
  const usage = readTaskUsage(reply['usage'])
  if (usage !== null) return usage
  const meta = objectOf(reply['meta'])
  const metrics = objectOf(reply['amazon-bedrock-invocationMetrics'])
  const google = objectOf(reply['usageMetadata'])
  const pairs = [
    [google['promptTokenCount'], google['candidatesTokenCount']],
    [objectOf(meta['billed_units'])['input_tokens'], objectOf(meta['billed_units'])['output_tokens']],
    [objectOf(meta['tokens'])['input_tokens'], objectOf(meta['tokens'])['output_tokens']],
    [metrics['inputTokenCount'], metrics['outputTokenCount']],
    [reply['prompt_eval_count'], reply['eval_count']],
    [reply['prompt_token_count'], reply['generation_token_count']],
    [reply['inputTextTokenCount'], objectOf(arrayOf(reply['results'])[0])['tokenCount']],
  ] as const
  const counted = pairs.find(([input]) => numberOf(input) !== null)
  if (counted !== undefined) return { ...NO_USAGE, input: countOf(counted[0]), output: countOf(counted[1]) }
  return vertexUsage(reply)
}

/** Vertex counts each text that it makes a vector of. */
function vertexUsage(reply: JsonObject): Usage | null {
  const counts = arrayOf(reply['predictions']).flatMap((prediction) => {
    const statistics = objectOf(objectOf(objectOf(prediction)['embeddings'])['statistics'])
    return numberOf(statistics['token_count']) ?? []
  })
  return counts.length === 0 ? null : { ...NO_USAGE, input: countOf(counts.reduce((sum, count) => sum + count, 0)) }
}
