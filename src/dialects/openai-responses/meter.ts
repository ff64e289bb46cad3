// Watches a response's stream on the native lane. Nearly all frames of a stream are deltas of one text: the first of a run is
// read like everything else, and of those that follow under the same name, for the same place, only the length is taken.
// Everything that can begin an item, end the reply or carry usage is read. Agrees with the reader on all that it reports.
import type { UpstreamFailure } from '../../core/failure.ts'
import { parseJson } from '../../core/json.ts'
import type { Usage } from '../../core/money/usage.ts'
import { numberOf, objectOf } from '../../wire/read.ts'
import { stringEnd } from '../../wire/splice.ts'
import type { Frame, StreamMeter } from '../dialect.ts'
import { createEventMeter } from '../event-meter.ts'
import { createResponsesReader } from './reader.ts'

/** A meter for one stream. */
export function createResponsesMeter(): StreamMeter {
  return new ResponsesMeter()
}

/** Events whose text is in `delta`, and the member that tells their pieces apart. */
const DELTAS: Readonly<Record<string, string>> = {
  'response.output_text.delta': 'content_index',
  'response.refusal.delta': 'content_index',
  'response.reasoning_text.delta': 'content_index',
  'response.reasoning_summary_text.delta': 'summary_index',
  'response.function_call_arguments.delta': 'output_index',
  'response.custom_tool_call_input.delta': 'output_index',
}

const DELTA = '"delta":"'

/** A run of deltas: what each of its frames has. */
interface Run {
  readonly event: string
  readonly marks: readonly string[]
}

class ResponsesMeter implements StreamMeter {
  private readonly read = createEventMeter(createResponsesReader())
  private run: Run | null = null
  /** Characters of frames that weren't read. */
  private chars = 0
  /** The last frame that told no failure. */
  private last = ''

  get usage(): Usage | null {
    return this.read.usage
  }

  get visibleChars(): number {
    return this.read.visibleChars + this.chars
  }

  get isComplete(): boolean {
    return this.read.isComplete
  }

  get isTerminated(): boolean {
    return this.read.isTerminated
  }

  get isCalling(): boolean {
    return this.read.isCalling === true
  }

  get failure(): UpstreamFailure | null {
    return this.read.failure
  }

  get nextNumber(): number {
    const number = numberOf(objectOf(parseJson(this.last))['sequence_number'])
    return number === null ? 0 : number + 1
  }

  push(frame: Frame): 'content' | 'usage-only' | 'error' | 'other' {
    const kind = this.see(frame)
    if (kind !== 'error' && frame.data !== '') this.last = frame.data
    return kind
  }

  private see(frame: Frame): 'content' | 'usage-only' | 'error' | 'other' {
    const chars = this.run === null ? 0 : deltaChars(frame, this.run)
    if (chars > 0) {
      this.chars += chars
      return 'content'
    }
    const before = this.read.visibleChars
    const kind = this.read.push(frame)
    this.run = this.read.visibleChars > before ? runOf(frame) : null
    return kind
  }
}

/** The run that a frame begins; null where its like must be read. */
function runOf({ event, data }: Frame): Run | null {
  const index = Object.hasOwn(DELTAS, event) ? DELTAS[event] : undefined
  if (index === undefined) return null
  const message = objectOf(parseJson(data))
  if (message['type'] !== event || typeof message['delta'] !== 'string') return null
  const marks = new Set(['type', 'output_index', index]).values()
  const run = { event, marks: [...marks].map((name) => `"${name}":${JSON.stringify(message[name])}`) }
  return deltaChars({ event, data }, run) === message['delta'].length ? run : null
}

/** Characters of text in a frame of the run; 0 for one that isn't. */
function deltaChars({ event, data }: Frame, { event: name, marks }: Run): number {
  // One that was cut off has to be read, to be found broken.
  if (event !== name || !data.endsWith('}')) return 0
  const start = data.indexOf(DELTA)
  // A member of the event itself, not of something in it.
  if (start === -1 || (start > 1 && data[start - 1] !== ',')) return 0
  if (!marks.every((mark) => hasMark(data, mark))) return 0
  const quote = start + DELTA.length - 1
  const end = stringEnd(data, quote)
  if (end === -1) return 0
  const slash = data.indexOf('\\', quote)
  if (slash === -1 || slash >= end) return end - quote - 2
  const text = parseJson(data.slice(quote, end))
  return typeof text === 'string' ? text.length : 0
}

/** Whether the frame has the member: `"output_index":1` isn't `"output_index":12`. */
function hasMark(data: string, mark: string): boolean {
  const at = data.indexOf(mark)
  return at !== -1 && !(data.charCodeAt(at + mark.length) >= 48 && data.charCodeAt(at + mark.length) <= 57)
}
