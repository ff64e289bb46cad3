// What is understood of a passed-through reply: on a path whose wire is known its usage is read while the bytes go by.
import type { DialectName, Target } from '../core/directory.ts'
import type { JsonObject } from '../core/json.ts'
import type { Usage } from '../core/usage.ts'
import type { Dialect, Frame } from '../dialects/dialect.ts'
import { dialects } from '../dialects/index.ts'
import { readTaskUsage } from '../dialects/tasks/task-usage.ts'
import type { Log } from '../ports.ts'
import { createFramer } from './framing/index.ts'
import { type ReplyWatch, blindWatch, jsonWatch, streamWatch, taskStreamWatch } from './relay-lane.ts'

/** Which dialect's wire is spoken where. */
const WIRES: readonly (readonly [RegExp, DialectName])[] = [
  [/\/chat\/completions$/, 'openai-chat'],
  [/\/responses$/, 'openai-responses'],
  [/\/messages$/, 'anthropic-messages'],
  [/:(?:streamG|g)enerateContent$/, 'gemini'],
  [/\/converse(?:-stream)?$/, 'bedrock-converse'],
]
const TASKS = /\/(?:embeddings|rerank|images\/\w+|audio\/\w+)$/
const STREAMS = /^(?:text\/event-stream|application\/(?:x-ndjson|vnd\.amazon\.eventstream))\b/i
const JSON_TYPE = /^application\/([\w.+-]+\+)?json\b/i

/** Whether a call of this path is a call of the model that it names: there a key for some models can be held to them. */
export function callsModel(path: string): boolean {
  return readsTokens(path) || TASKS.test(path) || /\/models\/[^/]+:\w+$|\/model\/[^/]+\/invoke/.test(path)
}

/** Whether a reply at this path is made of output tokens. */
export function readsTokens(path: string): boolean {
  return WIRES.some(([pattern]) => pattern.test(path))
}

/** Whether a call at this path only counts, which providers don't charge. */
export function onlyCounts(path: string): boolean {
  return /[:/]count_?tokens$/i.test(path)
}

/** The model that a path names: `/models/{model}:…`, `/model/{model}/…`; null where it names none. */
export function modelInPath(path: string): string | null {
  const found = /\/models\/([^/:]+):\w+$/.exec(path) ?? /\/model\/([^/]+)\/(?:invoke|converse)/.exec(path)
  return found?.[1] === undefined ? null : decodeURIComponent(found[1])
}

/** A watch over the reply to a call of `path`, whose wire is loaded (`loadWireAt`). */
export function watchReply(path: string, target: Target, contentType: string): ReplyWatch {
  const dialect = dialectAt(path)
  const isJson = JSON_TYPE.test(contentType)
  if (dialect === undefined) {
    if (!TASKS.test(path)) return blindWatch()
    const usage = ({ usage: reported }: JsonObject): Usage | null => readTaskUsage(reported)
    return isJson ? jsonWatch(usage) : STREAMS.test(contentType) ? taskStreamWatch(contentType, usage) : blindWatch()
  }
  if (isJson && !path.includes(':stream')) return jsonWatch((reply) => usageIn(dialect, reply, target))
  if (!isJson && !STREAMS.test(contentType)) return blindWatch()
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
  return streamWatch(createFramer(contentType, dialect.framing), watched, false)
}

/** Loads what `watchReply` needs at `path`; false when it can't be loaded. */
export async function loadWireAt(path: string, log: Log): Promise<boolean> {
  const name = dialectNameAt(path)
  if (name === undefined) return true
  try {
    await dialects.of(name).load()
    return true
  } catch (error) {
    log.warn('not-loaded', { part: name, error: String(error) })
    return false
  }
}

function dialectAt(path: string): Dialect | undefined {
  const name = dialectNameAt(path)
  return name === undefined ? undefined : dialects.get(name)
}

function dialectNameAt(path: string): DialectName | undefined {
  return WIRES.find(([pattern]) => pattern.test(path))?.[1]
}

function usageIn(dialect: Dialect, reply: JsonObject, target: Target): Usage | null {
  const events = dialect.read(reply, target)
  return events.findLast((event) => event.type === 'usage')?.usage ?? null
}
