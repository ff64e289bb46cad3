// Reads a Gemini reply, streamed or whole, into events. Each message of a stream is a reply of its own with a little more:
// usage is cumulative, every one may give a finish reason, and the last given counts.
// https://ai.google.dev/api/generate-content#v1beta.GenerateContentResponse (read 2026-11-21)
import type { UpstreamFailure } from '../../core/failure.ts'
import { isJsonObject, parseJson } from '../../core/json.ts'
import type { Json, JsonObject } from '../../core/json.ts'
import type { NeutralEvent, Signature, TokenLogprob } from '../../core/neutral.ts'
import { type Usage, withTier, withUnits } from '../../core/money/usage.ts'
import {
  geminiFamily,
  isPromptBlocked,
  madeUpId,
  readGeminiFinish,
  readGeminiTier,
  readGeminiUsage,
} from '../../wire/gemini.ts'
import { DONE_DATA } from '../../wire/openai-chat.ts'
import { arrayOf, countOf, isJsonArray, numberOf, objectOf, stringOf } from '../../wire/read.ts'
import type { Frame } from '../dialect.ts'
import type { WatchedReader } from '../event-meter.ts'
import { PartialArguments } from './arguments.ts'
import { readCitations } from './citations.ts'
import { brokenStream, readErrorBody } from '../failures/provider-error.ts'
import { quickReader } from '../quick-reader.ts'
import type { SparedReader, TextEvent } from '../quick-reader.ts'
import { ReplyEvents } from '../reply-events.ts'
import type { TextPlaces } from '../text-template.ts'

/** A reader for one streamed reply. */
export function createGeminiReader(): WatchedReader {
  return quickReader(new GeminiReader(), TEXT_PLACES)
}

/** Sources are told by where they are in all that was said. A name may be escaped. */
const TEXT_PLACES: TextPlaces = {
  texts: [['candidates', '0', 'content', 'parts', '0', 'text']],
  telling: /citationMetadata|groundingMetadata|\\/,
}

/** A whole reply as events; an array is one that was streamed. A body that isn't a reply becomes a failure. */
export function readGeminiReply(body: Json): readonly NeutralEvent[] {
  const events = new ReplyEvents()
  readMessage(body, '', events, new Candidates(events))
  events.close(true)
  return events.take()
}

class GeminiReader implements SparedReader {
  private readonly events = new ReplyEvents()
  private readonly candidates = new Candidates(this.events)

  get usage(): Usage | null {
    return this.candidates.usage
  }

  get isFinished(): boolean {
    return this.events.isFinished
  }

  hear({ choice, text }: TextEvent): void {
    this.candidates.hear(choice, text)
  }

  push({ data, event }: Frame): readonly NeutralEvent[] {
    const text = data.trim()
    if (text === '' || text === DONE_DATA || this.events.isOver) return []
    const messages = messagesIn(text)
    if (messages !== null) readMessage(messages, event, this.events, this.candidates)
    else this.events.fail(event === 'error' ? readErrorBody({ error: text }) : brokenStream(NOT_JSON))
    return this.events.take()
  }

  end(): readonly NeutralEvent[] {
    this.events.close(false)
    return this.events.take()
  }
}

const NOT_JSON = 'The provider sent a message that is not JSON.'

/** What an event says: one message, or one a line where the blank lines between events are missing. Null for no JSON. */
function messagesIn(text: string): Json | null {
  const whole = parseJson(text)
  if (whole !== undefined) return whole
  const lines = text.split('\n').map((line) => parseJson(line))
  return lines.every((line) => line !== undefined) ? lines : null
}

/** One message, or the array that a whole stream is. What came outside of events (`error`) may be a reply all the same. */
function readMessage(json: Json, event: string, events: ReplyEvents, candidates: Candidates): void {
  if (isJsonArray(json)) {
    for (const item of json) if (!events.isOver) readMessage(item, event, events, candidates)
    return
  }
  const body = objectOf(json)
  const isReply = isJsonArray(body['candidates']) || isJsonObject(body['promptFeedback'])
  const hasError = typeof body['error'] === 'string' || isJsonObject(body['error'])
  if (isReply || !hasError) candidates.usageOf(body)
  if (hasError || (event === 'error' && !isReply)) return events.fail(readErrorBody(json))
  if (isReply) candidates.read(body)
}

/** The failure of a model that wrote nothing that could be passed on, in Google's words where it has any. */
function brokenReply(candidate: JsonObject): UpstreamFailure {
  const said = readErrorBody(candidate['finishMessage'])
  const { message } = stringOf(candidate['finishMessage']) === null ? brokenStream(NO_REPLY) : said
  return { ...brokenStream(message), code: String(candidate['finishReason']) }
}

const NO_REPLY = "The model's output could not be read."

/** What is known of one candidate. */
interface Candidate {
  readonly number: number
  calls: number
  /** What the open text part is; null after anything else. */
  open: 'text' | 'reasoning' | null
  /** Text so far of the text part that is open, or was open last. */
  text: string
  /** The open part has its signature: what follows is another part. */
  isSigned: boolean
  /** A call whose arguments come in pieces. */
  partial: { readonly part: number; readonly pieces: PartialArguments; args: JsonObject } | null
  /** Citations that were given already: they are repeated. */
  readonly cited: Set<string>
}

/** Places what candidates say into parts. */
class Candidates {
  private counted: Usage | null = null
  /** What was searched for, in all candidates: every message may say it again. */
  private readonly searched = new Set<string>()
  private model = ''
  private readonly events: ReplyEvents
  private readonly known = new Map<number, Candidate>()
  private replyId = ''

  constructor(events: ReplyEvents) {
    this.events = events
  }

  /** Usage so far, searches of the web with it. */
  get usage(): Usage | null {
    if (this.counted === null || this.searched.size === 0) return this.counted
    // Since version 3 every search is charged; before that, the reply that searched.
    const isEach = (geminiFamily(this.model).version ?? 3) >= 3
    return withUnits(this.counted, { searches: isEach ? this.searched.size : 1 })
  }

  usageOf(body: JsonObject): void {
    const usage = readGeminiUsage(body['usageMetadata'])
    if (usage !== null) this.counted = withTier(usage, readGeminiTier(body['usageMetadata']))
    this.model ||= stringOf(body['modelVersion']) ?? ''
    for (const value of arrayOf(body['candidates'])) this.noteSearches(objectOf(objectOf(value)['groundingMetadata']))
    this.events.report(this.usage)
  }

  /** https://ai.google.dev/gemini-api/docs/google-search (read 2026-11-21) */
  private noteSearches(grounding: JsonObject): void {
    for (const name of ['webSearchQueries', 'imageSearchQueries']) {
      for (const value of arrayOf(grounding[name])) {
        const query = stringOf(value)
        if (query !== null) this.searched.add(`${name} ${query}`)
      }
    }
  }

  /** More of what a candidate said last. */
  hear(number: number, text: string): void {
    const candidate = this.known.get(number)
    if (candidate?.open === 'text') candidate.text += text
  }

  read(body: JsonObject): void {
    if (this.replyId === '') this.replyId = stringOf(body['responseId']) ?? ''
    const tier = readGeminiTier(body['usageMetadata'])
    this.events.start(this.replyId, stringOf(body['modelVersion']) ?? '', null, tier)
    const candidates = arrayOf(body['candidates'])
    candidates.forEach((value, position) => this.readCandidate(objectOf(value), position))
    if (candidates.length === 0 && isPromptBlocked(body)) this.events.finish(0, 'filtered')
  }

  private readCandidate(value: JsonObject, position: number): void {
    const candidate = this.candidateOf(typeof value['index'] === 'number' ? countOf(value['index']) : position)
    this.events.touch(candidate.number)
    const parts = arrayOf(objectOf(value['content'])['parts']).map((part) => objectOf(part))
    // Sources are those of the text: what comes behind it is another part.
    const lastText = parts.findLastIndex((part) => stringOf(part['text']) !== null && part['thought'] !== true)
    parts.forEach((part, at) => {
      this.readPart(candidate, part)
      if (at === lastText) this.cite(candidate, value)
    })
    if (lastText === -1) this.cite(candidate, value)
    this.events.logprobs(candidate.number, readLogprobs(objectOf(value['logprobsResult'])))
    const finish = readGeminiFinish(value['finishReason'])
    if (finish === null) return
    if (finish === 'broken') return this.events.fail(brokenReply(value))
    this.endPartial(candidate)
    this.events.finish(candidate.number, finish)
  }

  private candidateOf(number: number): Candidate {
    const known = this.known.get(number)
    if (known !== undefined) return known
    const candidate: Candidate = {
      number,
      calls: 0,
      open: null,
      text: '',
      isSigned: false,
      partial: null,
      cited: new Set(),
    }
    this.known.set(number, candidate)
    return candidate
  }

  private readPart(candidate: Candidate, part: JsonObject): void {
    const signature = signatureOf(part)
    if (isJsonObject(part['functionCall'])) return this.call(candidate, part['functionCall'], signature)
    this.endPartial(candidate)
    const name = Object.keys(part).find((key) => !BESIDE.has(key) && isJsonObject(part[key]))
    if (typeof part['text'] === 'string' || name === undefined) return this.say(candidate, part, signature)
    candidate.open = null
    // A picture on the way to another is no part of the answer.
    const isAnswer = part['thought'] !== true
    const media = isAnswer && (name === 'inlineData' || name === 'fileData') ? objectOf(part[name]) : {}
    if (!this.show(candidate.number, media)) this.events.other(candidate.number, 'gemini', name, part)
    // Pictures have no place for a signature: it becomes a part of its own, as it also comes from the provider.
    else if (signature !== null) this.sign(candidate, 'text', signature)
  }

  private say(candidate: Candidate, part: JsonObject, signature: Signature | null): void {
    const kind = part['thought'] === true ? 'reasoning' : 'text'
    const text = stringOf(part['text']) ?? ''
    if (text !== '') {
      if (candidate.isSigned) this.events.endText(candidate.number)
      if (kind === 'text')
        candidate.text = candidate.open === 'text' && !candidate.isSigned ? candidate.text + text : text
      candidate.isSigned = false
      candidate.open = kind
      this.events.text(candidate.number, kind, text)
    }
    if (signature !== null) this.sign(candidate, kind, signature)
  }

  private sign(candidate: Candidate, kind: 'text' | 'reasoning', signature: Signature): void {
    if (candidate.isSigned) this.events.endText(candidate.number)
    if (kind === 'reasoning') this.events.signature(candidate.number, signature)
    else this.events.textSignature(candidate.number, signature)
    candidate.open = kind
    candidate.isSigned = true
  }

  /** A picture or a sound; false for anything else. */
  private show(number: number, media: JsonObject): boolean {
    const mediaType = stringOf(media['mimeType']) ?? ''
    const data = stringOf(media['data'])
    const url = stringOf(media['fileUri'])
    if (mediaType.startsWith('image/') && data !== null) this.events.image(number, { kind: 'base64', mediaType, data })
    else if (mediaType.startsWith('image/') && url !== null) this.events.image(number, { kind: 'url', url, mediaType })
    else if (mediaType.startsWith('audio/') && data !== null) {
      this.events.audio(number, { id: '', mediaType, data, transcript: '' })
    } else return false
    return true
  }

  private call(candidate: Candidate, call: JsonObject, signature: Signature | null): void {
    const { number } = candidate
    const name = stringOf(call['name'])
    if (candidate.partial !== null && name !== null) this.endPartial(candidate)
    if (candidate.partial === null) {
      const id = stringOf(call['id']) ?? madeUpId(this.replyId, number, candidate.calls)
      candidate.calls += 1
      candidate.open = null
      const part = this.events.toolCall(number, id, name ?? '', signature === null ? {} : { signature })
      candidate.partial = { part, pieces: new PartialArguments(), args: {} }
    }
    const { partial } = candidate
    partial.args = { ...partial.args, ...objectOf(call['args']) }
    partial.pieces.add(call['partialArgs'])
    if (call['willContinue'] !== true) this.endPartial(candidate)
  }

  private endPartial(candidate: Candidate): void {
    const { partial, number } = candidate
    if (partial === null) return
    candidate.partial = null
    this.events.toolArguments(number, partial.part, partial.pieces.text(partial.args))
    this.events.endToolCall(number, partial.part)
  }

  /** Sources of a reply without text are nobody's. */
  private cite(candidate: Candidate, value: JsonObject): void {
    if (candidate.text === '') return
    for (const citation of readCitations(value, candidate.text)) {
      const key = JSON.stringify(citation)
      if (candidate.cited.has(key)) continue
      candidate.cited.add(key)
      if (candidate.open !== 'text') candidate.text = ''
      candidate.open = 'text'
      this.events.citation(candidate.number, citation)
    }
  }
}

/** Members of a part that say something about it and aren't it. */
const BESIDE = new Set(['videoMetadata', 'partMetadata', 'mediaResolution'])

function signatureOf(part: JsonObject): Signature | null {
  const value = stringOf(part['thoughtSignature']) ?? stringOf(part['thought_signature'])
  return value === null ? null : { maker: 'gemini', value }
}

function readLogprobs(result: JsonObject): readonly TokenLogprob[] {
  const top = arrayOf(result['topCandidates'])
  return arrayOf(result['chosenCandidates']).map((chosen, place) => ({
    ...tokenOf(objectOf(chosen)),
    top_logprobs: arrayOf(objectOf(top[place])['candidates']).map((other) => tokenOf(objectOf(other))),
  }))
}

function tokenOf(candidate: JsonObject): JsonObject {
  return { token: stringOf(candidate['token']) ?? '', logprob: numberOf(candidate['logProbability']) ?? 0, bytes: null }
}
