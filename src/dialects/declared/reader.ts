// Reads what a described backend answers: each message is looked at in the places that were declared.
import { isJsonObject } from '../../core/json.ts'
import type { Json } from '../../core/json.ts'
import type { FinishReason, NeutralEvent } from '../../core/neutral.ts'
import { NO_USAGE } from '../../core/money/usage.ts'
import type { Usage } from '../../core/money/usage.ts'
import { valueAt, type Place, type ReplyPlaces } from '../../wire/declared.ts'
import { codeOf, countOf, isJsonArray, numberOf } from '../../wire/read.ts'
import type { WatchedReader } from '../event-meter.ts'
import { JsonReader, ONLY_CHOICE } from '../json-reader.ts'
import { brokenStream, readErrorBody } from '../failures/provider-error.ts'
import { quickReader } from '../quick-reader.ts'
import type { TextPlaces } from '../text-template.ts'

/** A reader for one streamed reply. */
export function createDeclaredReader(places: ReplyPlaces): WatchedReader {
  return quickReader(new DeclaredReader(places), textPlacesOf(places))
}

/** Where a text is, and nothing else that is read. None where messages repeat what was said before. */
function textPlacesOf(places: ReplyPlaces): TextPlaces {
  const { text, reasoning, finish, input, output, cachedInput, reasoningOutput, id, done } = places
  const { error, errorMessage, errorCode, errorStatus } = places
  const others = [
    finish,
    input,
    output,
    cachedInput,
    reasoningOutput,
    id,
    done,
    error,
    errorMessage,
    errorCode,
    errorStatus,
  ]
  const texts = places.isCumulative ? [] : [text, reasoning].filter((place) => place !== null)
  return { texts: texts.filter((place) => others.every((other) => other === null || !isWithin(place, other))) }
}

function isWithin(place: Place, other: Place): boolean {
  return other.every((step, at) => place[at] === step)
}

/** A whole reply as events. A body that isn't a reply becomes a failure. */
export function readDeclaredReply(body: Json, places: ReplyPlaces): readonly NeutralEvent[] {
  const reader = new DeclaredReader(places)
  reader.readWhole(body)
  return reader.end()
}

class DeclaredReader extends JsonReader {
  private readonly places: ReplyPlaces
  private hasBegun = false
  /** The text so far, where messages say all of it. */
  private said = ''
  /** The end of a cumulative text that may be half a character: kept until it is told from one. */
  private held = ''

  constructor(places: ReplyPlaces) {
    super()
    this.places = places
  }

  override get isFinished(): boolean {
    return this.places.endsOnClose ? this.hasBegun : super.isFinished
  }

  readWhole(body: Json): void {
    if (valueAt(body, this.places.text) === undefined && !isGiven(valueAt(body, this.places.error))) {
      return this.events.fail(brokenStream('The reply has no text in the place that was declared.'))
    }
    this.read(body)
    this.begin(body)
    this.close(true)
  }

  override end(): readonly NeutralEvent[] {
    this.close(this.places.endsOnClose && this.hasBegun)
    return this.events.take()
  }

  protected read(message: Json): void {
    const { places } = this
    if (isGiven(valueAt(message, places.error))) return this.refuse(message)
    this.events.report(readUsage(message, places, this.events.reported))
    this.say(message, 'reasoning', textOf(valueAt(message, places.reasoning)))
    const text = textOf(valueAt(message, places.text))
    this.say(message, 'text', places.isCumulative ? this.news(text) : text)
    const finish = readFinish(codeOf(valueAt(message, places.finish)), places)
    if (finish !== null) {
      this.begin(message)
      this.events.finish(ONLY_CHOICE, finish)
    }
    if (isDone(message, places)) {
      this.begin(message)
      this.close(true)
    }
  }

  private begin(message: Json): void {
    if (this.hasBegun) return
    this.hasBegun = true
    this.events.start(codeOf(valueAt(message, this.places.id)) ?? '', '', null)
    this.events.touch(ONLY_CHOICE)
  }

  private say(message: Json, kind: 'text' | 'reasoning', text: string): void {
    if (text === '') return
    this.begin(message)
    this.events.text(ONLY_CHOICE, kind, text)
  }

  /** What is new in a text that says everything so far. */
  private news(text: string): string {
    if (text === '') return ''
    const end = text.endsWith(HALF) ? text.replace(HALVES, '').length : text.length
    const whole = text.slice(0, end)
    this.held = text.slice(end)
    if (!whole.startsWith(this.said)) {
      this.events.fail(brokenStream('The provider took back what it had said.'))
      return ''
    }
    const news = whole.slice(this.said.length)
    this.said = whole
    return news
  }

  private close(isTerminated: boolean): void {
    if (this.held !== '' && isTerminated) this.events.text(ONLY_CHOICE, 'text', this.held)
    this.held = ''
    this.events.close(isTerminated)
  }

  private refuse(message: Json): void {
    const { places } = this
    const found = valueAt(message, places.error)
    const error = isJsonObject(found) ? found : { message: textOf(found) }
    const told = textOf(valueAt(message, places.errorMessage))
    this.events.fail(
      readErrorBody({
        error: {
          ...error,
          ...(told === '' ? {} : { message: told }),
          ...named('code', codeOf(valueAt(message, places.errorCode))),
          ...named('status_code', numberOf(valueAt(message, places.errorStatus))),
        },
      }),
    )
  }
}

/** What a decoder makes of half a character. */
const HALF = '\ufffd'
const HALVES = /\ufffd+$/

function named(name: string, value: string | number | null): { readonly [name: string]: string | number } {
  return value === null ? {} : { [name]: value }
}

/** True for what says something: not null, false, or empty. */
function isGiven(value: Json | undefined): boolean {
  return value !== undefined && value !== null && value !== false && value !== ''
}

function isDone(message: Json, { done, doneValue }: ReplyPlaces): boolean {
  const value = valueAt(message, done)
  return doneValue === undefined ? isGiven(value) : JSON.stringify(value) === JSON.stringify(doneValue)
}

/** Text as it is; a list of texts joined; anything else as JSON, which is what a model was asked for then. */
function textOf(value: Json | undefined): string {
  if (typeof value === 'string') return value
  if (value === undefined || value === null) return ''
  return isJsonArray(value) && value.every((item) => typeof item === 'string') ? value.join('') : JSON.stringify(value)
}

/** As declared, else by what such words usually mean; null for no end. */
function readFinish(value: string | null, { finishValues }: ReplyPlaces): FinishReason | null {
  if (value === null) return null
  const declared = Object.hasOwn(finishValues, value) ? finishValues[value] : undefined
  if (declared !== undefined) return declared
  if (/length|max_?tokens|limit/i.test(value)) return 'length'
  return /filter|safety|blocked/i.test(value) ? 'filtered' : 'stop'
}

/** Counts of this message over those so far; null where nothing was ever counted. */
function readUsage(message: Json, places: ReplyPlaces, so: Usage | null): Usage | null {
  const input = countAt(message, places.input)
  const output = countAt(message, places.output)
  if (input === null && output === null) return so
  const before = so ?? NO_USAGE
  const prompt = input ?? before.input + before.cacheRead
  const completion = output ?? before.output + before.reasoning
  const cacheRead = Math.min(prompt, countAt(message, places.cachedInput) ?? before.cacheRead)
  const reasoning = Math.min(completion, countAt(message, places.reasoningOutput) ?? before.reasoning)
  return { ...NO_USAGE, input: prompt - cacheRead, cacheRead, output: completion - reasoning, reasoning }
}

function countAt(message: Json, place: Place | null): number | null {
  const value = valueAt(message, place)
  return numberOf(value) === null ? null : countOf(value)
}
