// Reads the plain messages of a stream at the price of a few comparisons: nearly all of a stream says one thing, more of the
// same text. Where a message came to one piece of text and nothing else, the ones right after it that differ in nothing
// but that text come to the same with theirs. Everything else is left to the reader.
import type { NeutralEvent } from '../core/neutral.ts'
import type { Frame } from './dialect.ts'
import type { WatchedReader } from './event-meter.ts'
import { learnTemplate, templateText } from './text-template.ts'
import type { TextPlaces, TextTemplate } from './text-template.ts'

/** More of a part's text. */
export type TextEvent = Extract<NeutralEvent, { readonly type: 'part-delta' }>

/**
 * A reader that can be spared plain messages: what it does with a text depends on nothing in the text but whether there is
 * any, and a message like the one before leaves it as it was.
 */
export interface SparedReader extends WatchedReader {
  /** A piece of text that it was spared, and the name of the member that had it. For readers that keep the text. */
  hear?(event: TextEvent, name: string): void
}

/** Templates in a row that no message fitted, after which no more are learnt. */
const VAIN_MAX = 8

/** `reader`, spared what is plain. The events are the same. */
export function quickReader(reader: SparedReader, places: TextPlaces): WatchedReader {
  return new QuickReader(reader, places)
}

class QuickReader implements WatchedReader {
  private readonly reader: SparedReader
  private readonly places: TextPlaces
  private template: TextTemplate | null = null
  private event = ''
  private choice = 0
  private part = 0
  private vain = 0

  constructor(reader: SparedReader, places: TextPlaces) {
    this.reader = reader
    this.places = places
  }

  get usage(): WatchedReader['usage'] {
    return this.reader.usage
  }

  get isFinished(): boolean {
    return this.reader.isFinished
  }

  push(frame: Frame): readonly NeutralEvent[] {
    const { template } = this
    if (template !== null && frame.event === this.event) {
      const text = templateText(frame.data, template)
      if (text !== null) return this.say(text, template.name)
    }
    return this.read(frame)
  }

  end(): readonly NeutralEvent[] {
    return this.reader.end()
  }

  private say(text: string, name: string): readonly NeutralEvent[] {
    const event: TextEvent = { type: 'part-delta', choice: this.choice, part: this.part, text }
    this.vain = 0
    this.reader.hear?.(event, name)
    return [event]
  }

  private read(frame: Frame): readonly NeutralEvent[] {
    const events = this.reader.push(frame)
    this.template = null
    const only = events.length === 1 ? events[0] : undefined
    if (only?.type !== 'part-delta' || this.vain >= VAIN_MAX) return events
    this.template = learnTemplate(frame.data, only.text, this.places)
    this.vain += 1
    this.event = frame.event
    this.choice = only.choice
    this.part = only.part
    return events
  }
}
