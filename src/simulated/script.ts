// Turns a reply's frames into the steps of its delivery: what is written when, in which portions, and where it goes
// wrong. All faults are made here, lazily and without a clock, so that they can be read as a list. Pure.
import type { Behaviour, Fault } from './behaviour.ts'
import { drawFrom } from './chance.ts'
import type { ReplyFrame } from './provider.ts'

/** One step of a delivery. */
export type Step =
  | {
      readonly do: 'write'
      readonly bytes: Uint8Array
      /** Time since the step before. */
      readonly gapMs: number
      readonly tokens: number
      readonly isFailure: boolean
    }
  /** Wait for the release of this model. */
  | { readonly do: 'pause' }
  /** Say nothing more, but stay. */
  | { readonly do: 'stall' }
  /** Break the connection. */
  | { readonly do: 'cut' }

/** The provider's own words for what can go wrong in mid-stream. */
export interface FaultTexts {
  readonly failure: string
  readonly garbage: string
}

/** What precedes the first token (a role, a message's start) leaves this early, if the token itself takes longer. */
const OPENING_MS = 80

/** Waits before the first token, and in all, of a reply that is sent whole. */
export function wholeDelayMs(behaviour: Behaviour, tokens: number): number {
  return behaviour.firstTokenMs + behaviour.tokenMs * tokens
}

/** The delivery of a stream. Ends after a `stall` or a `cut`; else the stream ends cleanly where the steps end. */
export function scriptStream(
  frames: Iterable<ReplyFrame>,
  behaviour: Behaviour,
  texts: FaultTexts,
  seed: number,
  encode: Encode = utf8,
): Iterable<Step> {
  const faulty = withFaults(frames, behaviour, texts, seed)
  const lumped = behaviour.eventsPerWrite > 1 ? inLumps(faulty, behaviour.eventsPerWrite) : faulty
  return inBytes(lumped, behaviour.isSplit, encode)
}

/** The bytes of a frame's text. */
export type Encode = (text: string) => Uint8Array

const encoder = new TextEncoder()
const utf8: Encode = (text) => encoder.encode(text)

/** The delivery of a whole body, its delays being over already. */
export function scriptWhole(text: string, behaviour: Behaviour): Iterable<Step> {
  const half = text.slice(0, Math.ceil(text.length / 2))
  if (hasFault(behaviour, 'cut')) return inBytes([written(half, 0), { do: 'cut' }], false)
  if (hasFault(behaviour, 'garbage')) return inBytes([written(half, 0)], false)
  return inBytes([written(text, 0)], behaviour.isSplit)
}

/** Whether a fault of this kind is in the behaviour, wherever it strikes. */
export function hasFault(behaviour: Behaviour, kind: Fault['kind']): boolean {
  return behaviour.faults.some((fault) => fault.kind === kind)
}

interface TextWrite {
  readonly do: 'write'
  readonly text: string
  readonly gapMs: number
  readonly tokens: number
  readonly events: number
  readonly isFailure: boolean
}
type TextStep = TextWrite | Exclude<Step, { readonly do: 'write' }>

function written(text: string, gapMs: number): TextWrite {
  return { do: 'write', text, gapMs, tokens: 0, events: 0, isFailure: false }
}

function* withFaults(
  frames: Iterable<ReplyFrame>,
  behaviour: Behaviour,
  texts: FaultTexts,
  seed: number,
): Generator<TextStep> {
  const gaps = paced(behaviour, seed)
  let events = 0
  if (yield* strike(behaviour.faults, events, texts)) return
  for (const frame of frames) {
    if (behaviour.isTruncated && frame.kind === 'ending') continue
    const isContent = frame.kind === 'content'
    yield { ...written(frame.text, gaps(isContent)), tokens: frame.tokens, events: isContent ? 1 : 0 }
    if (!isContent) continue
    events += 1
    if (yield* strike(behaviour.faults, events, texts)) return
  }
}

/** Makes the faults that are due after so many events; true when nothing can follow. */
function* strike(faults: readonly Fault[], events: number, texts: FaultTexts): Generator<TextStep, boolean> {
  for (const { kind, afterEvents } of faults) {
    if (afterEvents !== events) continue
    switch (kind) {
      case 'pause':
        yield { do: 'pause' }
        break
      case 'garbage':
        yield written(texts.garbage, 0)
        break
      case 'error':
        yield { ...written(texts.failure, 0), isFailure: true }
        return true
      case 'stall':
      case 'cut':
        yield { do: kind }
        return true
    }
  }
  return false
}

/** The gap before each frame: only the first frame and those with a token take time. */
function paced(behaviour: Behaviour, seed: number): (isContent: boolean) => number {
  const draw = drawFrom(seed)
  const openingMs = behaviour.tokenMs === 0 ? 0 : Math.min(OPENING_MS, behaviour.firstTokenMs)
  let frames = 0
  let tokens = 0
  return (isContent) => {
    const isFirstFrame = frames++ === 0
    if (!isContent) return isFirstFrame ? openingMs : 0
    if (tokens++ === 0) return behaviour.firstTokenMs - (isFirstFrame ? 0 : openingMs)
    return behaviour.tokenMs * (0.5 + draw())
  }
}

/** Joins writes until one has as many content events; what follows the last of them goes with it. */
function* inLumps(steps: Iterable<TextStep>, eventsPerWrite: number): Generator<TextStep> {
  let lump: TextWrite | null = null
  for (const step of steps) {
    if (step.do !== 'write') {
      if (lump) yield lump
      lump = null
      yield step
      continue
    }
    lump = lump ? joined(lump, step) : step
    if (lump.events < eventsPerWrite) continue
    yield lump
    lump = null
  }
  if (lump) yield lump
}

function joined(one: TextWrite, other: TextWrite): TextWrite {
  return {
    do: 'write',
    text: one.text + other.text,
    gapMs: one.gapMs + other.gapMs,
    tokens: one.tokens + other.tokens,
    events: one.events + other.events,
    isFailure: one.isFailure || other.isFailure,
  }
}

/** Text to bytes. When split, each write keeps its end back for the next, so that none ends where an event does. */
function* inBytes(steps: Iterable<TextStep>, isSplit: boolean, encode = utf8): Generator<Step> {
  let held = new Uint8Array()
  const flush = (): Step => ({ do: 'write', bytes: held, gapMs: 0, tokens: 0, isFailure: false })
  for (const step of steps) {
    if (step.do !== 'write') {
      if (held.length > 0 && step.do !== 'cut') yield flush()
      held = new Uint8Array()
      yield step
      continue
    }
    const { gapMs, tokens, isFailure } = step
    const encoded = encode(step.text)
    const cut = isSplit ? placeToCut(encoded) : encoded.length
    yield { do: 'write', bytes: concatenated(held, encoded.subarray(0, cut)), gapMs, tokens, isFailure }
    held = encoded.slice(cut)
  }
  if (held.length > 0) yield flush()
}

/** Inside the first multi-byte character, or else inside the line's first word. */
function placeToCut(bytes: Uint8Array): number {
  const lead = bytes.findIndex((byte) => byte >= 0xc0)
  return lead >= 0 ? lead + 1 : Math.min(3, bytes.length)
}

function concatenated(one: Uint8Array, other: Uint8Array): Uint8Array {
  const both = new Uint8Array(one.length + other.length)
  both.set(one)
  both.set(other, one.length)
  return both
}
