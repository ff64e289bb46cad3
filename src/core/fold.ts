// Folds a reply's events into a whole reply, and unfolds a whole reply into events: a stream, a whole answer and a cached
// replay are one thing seen from three sides.
import type { FinishReason, NeutralChoice, NeutralEvent, NeutralPart, NeutralReply, PartStart } from './neutral.ts'
import type { UpstreamFailure } from './failure.ts'
import type { Usage } from './usage.ts'

/** The reply that the events tell. Choices are in the order of their numbers, parts in the order of theirs. A reply
 *  without a finish for some choice, or with a failure, is not whole. */
export function fold(events: Iterable<NeutralEvent>): NeutralReply {
  let head: Pick<NeutralReply, 'id' | 'model' | 'createdSeconds'> = { id: '', model: '', createdSeconds: null }
  let usage: Usage | null = null
  let failure: UpstreamFailure | null = null
  const choices = new Map<number, ChoiceDraft>()
  for (const event of events) {
    if (event.type === 'reply-start') head = { id: event.id, model: event.model, createdSeconds: event.createdSeconds }
    else if (event.type === 'usage') usage = event.usage
    else if (event.type === 'failure') failure = event.failure
    else foldInto(draftOf(choices, event.choice), event)
  }
  const order = [...choices.keys()].sort((a, b) => a - b)
  return { ...head, choices: order.map((number) => finished(draftOf(choices, number))), usage, failure }
}

/** True for a reply that may be shown again as it is: no failure, and every choice finished, for a reason that was given. */
export function isWhole(reply: NeutralReply): boolean {
  const { choices, failure } = reply
  return (
    failure === null && choices.length > 0 && choices.every(({ finish, isAssumed }) => finish !== null && !isAssumed)
  )
}

/** The events that fold to `reply`: one delta a part. Parts without content have none. */
export function unfold(reply: NeutralReply): readonly NeutralEvent[] {
  const { id, model, createdSeconds } = reply
  const events: NeutralEvent[] = [{ type: 'reply-start', id, model, createdSeconds }]
  reply.choices.forEach((choice, number) => {
    choice.parts.forEach((part, index) => unfoldPart(events, number, index, part))
  })
  reply.choices.forEach(({ finish, stopSequence, isAssumed }, choice) => {
    if (finish === null) return
    const stop = stopSequence === undefined ? {} : { stopSequence }
    const guess = isAssumed === undefined ? {} : { isAssumed }
    events.push({ type: 'finish', choice, reason: finish, ...stop, ...guess })
  })
  if (reply.usage !== null) events.push({ type: 'usage', usage: reply.usage })
  if (reply.failure !== null) events.push({ type: 'failure', failure: reply.failure })
  return events
}

interface PartDraft {
  readonly start: PartStart
  text: string
  signature: string | null
  isRedacted: boolean
}

interface ChoiceDraft {
  readonly parts: Map<number, PartDraft>
  finish: FinishReason | null
  stopSequence: string | null
  isAssumed: boolean
}

type ChoiceEvent = Extract<NeutralEvent, { readonly choice: number }>

function draftOf(choices: Map<number, ChoiceDraft>, number: number): ChoiceDraft {
  const known = choices.get(number)
  if (known !== undefined) return known
  const draft: ChoiceDraft = { parts: new Map(), finish: null, stopSequence: null, isAssumed: false }
  choices.set(number, draft)
  return draft
}

function foldInto(draft: ChoiceDraft, event: ChoiceEvent): void {
  if (event.type === 'finish') {
    draft.finish = event.reason
    draft.stopSequence = event.stopSequence ?? null
    draft.isAssumed = event.isAssumed === true
    return
  }
  if (event.type === 'part-start') {
    draft.parts.set(event.part, { start: event.start, text: '', signature: null, isRedacted: false })
    return
  }
  const part = draft.parts.get(event.part)
  if (part === undefined || event.type === 'part-end') return
  if (event.type === 'part-delta') part.text += event.text
  else {
    part.signature = (part.signature ?? '') + event.signature
    part.isRedacted = event.redacted
  }
}

function finished(draft: ChoiceDraft): NeutralChoice {
  const numbers = [...draft.parts.keys()].sort((a, b) => a - b)
  const parts = numbers.flatMap((number) => {
    const part = draft.parts.get(number)
    return part === undefined ? [] : [partOf(part)]
  })
  const stop = draft.stopSequence === null ? {} : { stopSequence: draft.stopSequence }
  const guess = draft.isAssumed ? { isAssumed: true as const } : {}
  return { parts, finish: draft.finish, ...stop, ...guess }
}

function partOf(draft: PartDraft): NeutralPart {
  const { start, text, signature } = draft
  if (start.kind === 'tool-call') return { kind: 'tool-call', id: start.id, name: start.name, argumentsText: text }
  if (start.kind !== 'reasoning' || signature === null) return { kind: start.kind, text }
  return draft.isRedacted ? { kind: 'reasoning', text, redacted: signature } : { kind: 'reasoning', text, signature }
}

function unfoldPart(events: NeutralEvent[], choice: number, part: number, value: NeutralPart): void {
  const start = startOf(value)
  if (start === null) return
  events.push({ type: 'part-start', choice, part, start })
  const text = value.kind === 'tool-call' ? value.argumentsText : 'text' in value ? value.text : ''
  if (text !== '') events.push({ type: 'part-delta', choice, part, text })
  if (value.kind === 'reasoning') {
    const signature = value.redacted ?? value.signature
    const redacted = value.redacted !== undefined
    if (signature !== undefined) events.push({ type: 'part-signature', choice, part, signature, redacted })
  }
  events.push({ type: 'part-end', choice, part })
}

/** How a reply's part begins; null for kinds that only requests have. */
function startOf(part: NeutralPart): PartStart | null {
  switch (part.kind) {
    case 'text':
    case 'reasoning':
    case 'refusal':
      return { kind: part.kind }
    case 'tool-call':
      return { kind: 'tool-call', id: part.id, name: part.name }
    default:
      return null
  }
}
