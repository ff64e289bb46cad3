// Folds a reply's events into a whole reply, and unfolds a whole reply into events: a stream, a whole answer and a cached
// replay are one thing seen from three sides.
import type {
  Citation,
  FinishReason,
  NeutralChoice,
  NeutralEvent,
  NeutralPart,
  NeutralReply,
  PartStart,
  Signature,
  TokenLogprob,
} from '../neutral.ts'
import type { UpstreamFailure } from '../failure.ts'
import type { Usage } from '../money/usage.ts'

/** The reply that the events tell. Choices are in the order of their numbers, parts in the order of theirs. A reply
 *  without a finish for some choice, or with a failure, is not whole. */
export function fold(events: Iterable<NeutralEvent>): NeutralReply {
  let head: Omit<NeutralReply, 'choices' | 'usage' | 'failure'> = { id: '', model: '', createdSeconds: null }
  let usage: Usage | null = null
  let failure: UpstreamFailure | null = null
  const choices = new Map<number, ChoiceDraft>()
  for (const event of events) {
    if (event.type === 'reply-start') {
      const { type: _, ...rest } = event
      head = rest
    } else if (event.type === 'usage') usage = event.usage
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
  const { id, model, createdSeconds, serviceTier } = reply
  const tier = serviceTier === undefined ? {} : { serviceTier }
  const events: NeutralEvent[] = [{ type: 'reply-start', id, model, createdSeconds, ...tier }]
  reply.choices.forEach((choice, number) => {
    const { logprobs } = choice
    // They belong to the text: while its part is open there is a place for them.
    const lastOf = (sought: NeutralPart['kind']): number => choice.parts.findLastIndex(({ kind }) => kind === sought)
    const last = lastOf('text') === -1 ? lastOf('refusal') : lastOf('text')
    choice.parts.forEach((part, index) => {
      unfoldPart(events, number, index, part)
      const end = index === last && logprobs !== undefined ? events.pop() : undefined
      if (end === undefined || logprobs === undefined) return
      events.push({ type: 'logprobs', choice: number, tokens: logprobs }, end)
    })
    if (last === -1 && logprobs !== undefined) events.push({ type: 'logprobs', choice: number, tokens: logprobs })
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
  data: string
  signature: Signature | null
  isRedacted: boolean
  readonly citations: Citation[]
}

interface ChoiceDraft {
  readonly parts: Map<number, PartDraft>
  finish: FinishReason | null
  stopSequence: string | null
  isAssumed: boolean
  logprobs: readonly TokenLogprob[] | null
}

type ChoiceEvent = Extract<NeutralEvent, { readonly choice: number }>

function draftOf(choices: Map<number, ChoiceDraft>, number: number): ChoiceDraft {
  const known = choices.get(number)
  if (known !== undefined) return known
  const draft: ChoiceDraft = { parts: new Map(), finish: null, stopSequence: null, isAssumed: false, logprobs: null }
  choices.set(number, draft)
  return draft
}

function foldInto(draft: ChoiceDraft, event: ChoiceEvent): void {
  if (event.type === 'finish') {
    draft.finish = event.reason
    draft.stopSequence = event.stopSequence ?? null
    draft.isAssumed = event.isAssumed === true
  } else if (event.type === 'logprobs') {
    draft.logprobs = [...(draft.logprobs ?? []), ...event.tokens]
  } else if (event.type === 'part-start') {
    const { start } = event
    const signature = start.kind === 'tool-call' ? (start.signature ?? null) : null
    draft.parts.set(event.part, { start, text: '', data: '', signature, isRedacted: false, citations: [] })
  } else {
    const part = draft.parts.get(event.part)
    if (part !== undefined) foldIntoPart(part, event)
  }
}

function foldIntoPart(part: PartDraft, event: Exclude<ChoiceEvent, { readonly type: 'finish' | 'logprobs' }>): void {
  if (event.type === 'part-delta') part.text += event.text
  else if (event.type === 'part-data') part.data += event.data
  else if (event.type === 'part-citation') part.citations.push(event.citation)
  else if (event.type === 'part-signature') {
    const value = (part.signature?.value ?? '') + event.signature.value
    part.signature = { ...part.signature, ...event.signature, value }
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
  const logprobs = draft.logprobs === null ? {} : { logprobs: draft.logprobs }
  return { parts, finish: draft.finish, ...stop, ...guess, ...logprobs }
}

function partOf(draft: PartDraft): NeutralPart {
  const { start, text } = draft
  const signature = draft.signature === null ? {} : { signature: draft.signature }
  switch (start.kind) {
    case 'tool-call': {
      const custom = start.isCustom === true ? { isCustom: true } : {}
      return { kind: 'tool-call', id: start.id, name: start.name, argumentsText: text, ...signature, ...custom }
    }
    case 'text':
      return {
        kind: 'text',
        text,
        ...signature,
        ...(start.phase === undefined ? {} : { phase: start.phase }),
        ...(draft.citations.length === 0 ? {} : { citations: draft.citations }),
      }
    case 'reasoning':
      return draft.isRedacted && draft.signature !== null
        ? { kind: 'reasoning', text, redacted: draft.signature }
        : { kind: 'reasoning', text, ...signature }
    case 'refusal':
      return { kind: 'refusal', text }
    case 'audio': {
      const source = { kind: 'base64' as const, mediaType: start.mediaType, data: draft.data }
      return { kind: 'audio', source, id: start.id, transcript: text }
    }
    case 'image':
    case 'other':
      return start
  }
}

function unfoldPart(events: NeutralEvent[], choice: number, part: number, value: NeutralPart): void {
  const start = startOf(value)
  if (start === null) return
  events.push({ type: 'part-start', choice, part, start })
  const text = textOf(value)
  if (text !== '') events.push({ type: 'part-delta', choice, part, text })
  if (value.kind === 'text') {
    for (const citation of value.citations ?? []) events.push({ type: 'part-citation', choice, part, citation })
  }
  if (value.kind === 'audio' && value.source.kind === 'base64' && value.source.data !== '') {
    events.push({ type: 'part-data', choice, part, data: value.source.data })
  }
  if (value.kind === 'reasoning' || value.kind === 'text') unfoldSignature(events, choice, part, value)
  events.push({ type: 'part-end', choice, part })
}

function unfoldSignature(
  events: NeutralEvent[],
  choice: number,
  part: number,
  value: NeutralPart & { readonly kind: 'reasoning' | 'text' },
): void {
  const redacted = value.kind === 'reasoning' ? value.redacted : undefined
  const signature = redacted ?? value.signature
  if (signature === undefined) return
  events.push({ type: 'part-signature', choice, part, signature, redacted: redacted !== undefined })
}

function textOf(part: NeutralPart): string {
  if (part.kind === 'tool-call') return part.argumentsText
  if (part.kind === 'audio') return part.transcript ?? ''
  return part.kind === 'text' || part.kind === 'reasoning' || part.kind === 'refusal' ? part.text : ''
}

/** How a reply's part begins; null for kinds that only requests have. */
function startOf(part: NeutralPart): PartStart | null {
  switch (part.kind) {
    case 'text':
      return { kind: 'text', ...(part.phase === undefined ? {} : { phase: part.phase }) }
    case 'reasoning':
    case 'refusal':
      return { kind: part.kind }
    case 'tool-call': {
      const signature = part.signature === undefined ? {} : { signature: part.signature }
      const custom = part.isCustom === true ? { isCustom: true } : {}
      return { kind: 'tool-call', id: part.id, name: part.name, ...signature, ...custom }
    }
    case 'image':
      return { kind: 'image', source: part.source }
    case 'audio': {
      const mediaType = part.source.kind === 'base64' ? part.source.mediaType : ''
      return { kind: 'audio', id: part.id ?? '', mediaType }
    }
    case 'other':
      return part.wire === undefined ? null : { kind: 'other', type: part.type, value: part.value, wire: part.wire }
    default:
      return null
  }
}
