// A meter that reads along: for wires whose streams are never relayed as they are, so that a meter of their own would save
// nothing.
import type { UpstreamFailure } from '../core/failure.ts'
import type { Usage } from '../core/money/usage.ts'
import type { Frame, StreamMeter, StreamReader } from './dialect.ts'

/** A reader that can be asked how far the reply is. */
export interface WatchedReader extends StreamReader {
  /** Last usage reported; null for none so far. */
  readonly usage: Usage | null
  /** True once the reply would be whole if the stream ended here. */
  readonly isFinished: boolean
}

/** A meter over `reader`, which nobody else may push to. */
export function createEventMeter(reader: WatchedReader): StreamMeter {
  return new EventMeter(reader)
}

class EventMeter implements StreamMeter {
  visibleChars = 0
  isTerminated = false
  isCalling = false
  failure: UpstreamFailure | null = null
  private readonly reader: WatchedReader
  private readonly choices = new Set<number>()

  constructor(reader: WatchedReader) {
    this.reader = reader
  }

  get usage(): Usage | null {
    return this.reader.usage
  }

  get isComplete(): boolean {
    return this.failure === null && (this.isTerminated || this.reader.isFinished)
  }

  get choicesBegun(): number {
    return this.choices.size
  }

  push(frame: Frame): 'content' | 'error' | 'other' {
    let isContent = false
    for (const event of this.reader.push(frame)) {
      if (event.type === 'failure') this.failure = event.failure
      else if (event.type === 'finish') this.isTerminated = true
      else if (event.type === 'part-start') this.choices.add(event.choice)
      else if (event.type === 'part-delta') this.visibleChars += event.text.length
      if (event.type === 'part-start' && event.start.kind === 'tool-call') this.isCalling = true
      isContent ||= event.type === 'part-delta' || (event.type === 'part-start' && event.start.kind === 'tool-call')
    }
    if (this.failure !== null) return 'error'
    return isContent ? 'content' : 'other'
  }
}
