// Where a continuation meets the text that it continues. A model that is asked to go on may say the last words again, or
// everything from the beginning; another goes on to the character. What was said again is taken out, and nothing else: a text may
// really repeat itself. The rules, for a continuation that begins with words that the text ends with:
//
// - A model that goes on from a prefix is taken at its word. Only one that is known to say the prefix again (Mistral) has it taken
//   off, and only as a whole.
// - Asked by an instruction, a model that begins with the whole text again has begun anew, unless that text is a repetition in itself.
// - The last words, again, are taken out where the text broke off within a sentence: a repetition of at least `LONG_CHARS` that the
//   text hasn't made before, or a shorter one that begins where a word does and ends within one. At the end of a sentence or a line
//   a repetition is taken at its word.
//
// What these rules get wrong: a doubled word without a blank (`bonbon`) that broke off in its middle, and a passage that is really
// said twice in a row, once, within a sentence.

/** An overlap of this many characters is none by chance … */
const LONG_CHARS = 16
/** … and beyond these, nothing but the whole text is looked for. */
const OVERLAP_CHARS_MAX = 256
/** Shorter ones than this are chance. */
const SHORT_CHARS = 3

/** How the continuation was asked for. */
export interface SeamRules {
  readonly method: 'prefix' | 'instruction'
  /** As much of the text as the model was shown: it may come without the blanks at its end. */
  readonly shown: string
  /** The model says its prefix again. */
  readonly isEchoed: boolean
}

/** The seam of one continuation. Holds back its beginning until it is clear what of it is new. */
export class Seam {
  private readonly overlaps: readonly string[]
  private held = ''
  private isSettled: boolean

  constructor(told: string, rules: SeamRules) {
    this.overlaps = told === '' ? [] : overlapsOf(told, rules)
    this.isSettled = this.overlaps.length === 0
  }

  /** What of `text`, and of what was held back, is new; empty while that isn't clear. */
  push(text: string): string {
    if (this.isSettled) return text
    this.held += text
    const { held } = this
    if (this.overlaps.some((overlap) => overlap.length > held.length && overlap.startsWith(held))) return ''
    return this.settle()
  }

  /** The continuation is over: what was held back and is new. */
  end(): string {
    return this.isSettled ? '' : this.settle()
  }

  private settle(): string {
    this.isSettled = true
    const { held } = this
    this.held = ''
    // The longest comes first.
    const again = this.overlaps.find((overlap) => held.startsWith(overlap))
    return held.slice(again?.length ?? 0)
  }
}

/** Beginnings of a continuation that were said already, the longest first. */
function overlapsOf(told: string, { method, shown, isEchoed }: SeamRules): readonly string[] {
  // What the model wasn't shown it may, or may not, say.
  const hidden = told.slice(shown.length)
  const blanks = Array.from(hidden, (_, at) => hidden.slice(0, hidden.length - at))
  if (method === 'prefix') return isEchoed ? [told, shown, ...blanks].filter((text) => text !== '') : blanks
  return [...(isBegunAnew(told) ? [told] : []), ...lastWords(told), ...blanks]
}

/** Whether a continuation that begins with all of `told` is one that begins anew. */
function isBegunAnew(told: string): boolean {
  return told.length >= LONG_CHARS ? !isRepetition(told) : ENDS_IN_WORD.test(told)
}

/** Ends of `told` that a model may say again, the longest first. */
function lastWords(told: string): readonly string[] {
  if (ENDS_SENTENCE.test(told)) return []
  const words: string[] = []
  for (let length = Math.min(told.length - 1, OVERLAP_CHARS_MAX); length >= SHORT_CHARS; length -= 1) {
    const at = told.length - length
    const text = told.slice(at)
    if (length >= LONG_CHARS ? isFirst(told, text, at) && !isRepetition(text) : isShortOverlap(told, text, at))
      words.push(text)
  }
  return words
}

/** Whether `text`, which stands at `at`, stands nowhere before. */
function isFirst(told: string, text: string, at: number): boolean {
  return told.indexOf(text) === at
}

/** Whether a text says its first half again later on. */
function isRepetition(text: string): boolean {
  return text.includes(text.slice(0, Math.ceil(text.length / 2)), 1)
}

function isShortOverlap(told: string, text: string, at: number): boolean {
  return /\s/u.test(told[at - 1] ?? ' ') && !/^\s/u.test(text) && ENDS_IN_WORD.test(text) && !isRepetition(text)
}

/** A letter at the end: figures repeat themselves too often. */
const ENDS_IN_WORD = /\p{L}$/u
/** The end of a sentence or a line, with what may follow it. */
const ENDS_SENTENCE = /(?:[.!?…。！？]["'”’»)\]]*\s*|\n\s*)$/u
