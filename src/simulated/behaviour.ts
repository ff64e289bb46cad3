// What a simulated model does, read from the words of its name: `sim-gpt-4o-fast-cut3` is fast and dies after three
// content events. One table, so that adding a fault is adding a row; the README's table lists the same rows. Pure.

/** Something that goes wrong after a number of content events; 0 is before the first event of all. */
export interface Fault {
  readonly kind: 'stall' | 'cut' | 'garbage' | 'error' | 'pause'
  readonly afterEvents: number
}

/** How a simulated model answers. */
export interface Behaviour {
  /** Answer with this error status instead; null to answer. */
  readonly errorStatus: number | null
  /** Accept the call and never answer it. */
  readonly isHung: boolean
  readonly firstTokenMs: number
  /** Mean time between tokens; single gaps vary by half of it. */
  readonly tokenMs: number
  /** Exact number of output tokens (the request's own bound still holds); null for a short answer. */
  readonly tokens: number | null
  readonly faults: readonly Fault[]
  /** An error body under status 200. */
  readonly isErrorIn200: boolean
  readonly isEmpty: boolean
  /** Ends cleanly, but never says that it is finished. */
  readonly isTruncated: boolean
  readonly usage: 'right' | 'tenfold' | 'none'
  /** Content events per write. */
  readonly eventsPerWrite: number
  /** Writes end in the middle of lines and of UTF-8 sequences, and the text has multi-byte characters. */
  readonly isSplit: boolean
}

/** A row of the table: how the word is written, what it does, and its effect. `amount` is the word's number, else 0. */
export interface BehaviourWord {
  readonly form: string
  readonly effect: string
  readonly pattern: RegExp
  readonly apply: (behaviour: Behaviour, amount: number) => Behaviour
}

const PLAIN: Behaviour = {
  errorStatus: null,
  isHung: false,
  firstTokenMs: 120,
  tokenMs: 10,
  tokens: null,
  faults: [],
  isErrorIn200: false,
  isEmpty: false,
  isTruncated: false,
  usage: 'right',
  eventsPerWrite: 1,
  isSplit: false,
}

/** Longest wait for a first token: ten minutes. Beyond it a timer would overflow sooner or later. */
const FIRST_TOKEN_MS_MAX = 600_000
const TOKENS_MAX = 1_000_000_000
const EVENTS_PER_WRITE_MAX = 10_000

/** Every word that a model's name can carry. */
export const BEHAVIOUR_WORDS: readonly BehaviourWord[] = [
  {
    form: '-fast',
    effect: 'no delays (`-slow<ms>` still holds)',
    pattern: /^fast$/,
    apply: (b) => ({ ...b, firstTokenMs: b.firstTokenMs === PLAIN.firstTokenMs ? 0 : b.firstTokenMs, tokenMs: 0 }),
  },
  {
    form: '-slow<ms>',
    effect: 'first token after that many milliseconds, counted from the call',
    pattern: /^slow(\d+)$/,
    apply: (b, amount) => ({ ...b, firstTokenMs: Math.min(amount, FIRST_TOKEN_MS_MAX) }),
  },
  {
    form: '-tokens<n>',
    effect: 'text of exactly n tokens, four characters each; the request’s own bound still holds',
    pattern: /^tokens(\d+)$/,
    apply: (b, amount) => ({ ...b, tokens: Math.min(amount, TOKENS_MAX) }),
  },
  {
    form: '-e<status>',
    effect: 'that status, 400 to 599, with the provider’s own error body (429 with `retry-after: 2`)',
    pattern: /^e([45]\d\d)$/,
    apply: (b, amount) => ({ ...b, errorStatus: amount }),
  },
  {
    form: '-hang',
    effect: 'accepts the call and never answers, not even with headers',
    pattern: /^hang$/,
    apply: (b) => ({ ...b, isHung: true }),
  },
  fault('stall', '-stall<n>', 'silence for ever after n content events; a whole reply never comes'),
  fault('cut', '-cut<n>', 'connection destroyed after n content events; a whole reply breaks off half-way'),
  fault(
    'garbage',
    '-garbage<n>',
    'a malformed frame after n content events, then it goes on; a whole reply is half a JSON',
  ),
  {
    ...fault('error', '-errchunk<n>', 'error event after n content events, then the end; a whole reply becomes a 500'),
    pattern: /^errchunk(\d+)$/,
  },
  {
    form: '-err200',
    effect: 'status 200 with an error body; in a stream the error is the first event',
    pattern: /^err200$/,
    apply: (b) => ({ ...b, isErrorIn200: true, faults: [...b.faults, { kind: 'error', afterEvents: 0 }] }),
  },
  {
    form: '-empty',
    effect: 'nothing in it, but well ended: no choices, no content blocks, no output tokens',
    pattern: /^empty$/,
    apply: (b) => ({ ...b, isEmpty: true }),
  },
  {
    form: '-truncated',
    effect: 'ends cleanly without finish reason, usage and `[DONE]` or `message_stop`; whole: finish reason null',
    pattern: /^truncated$/,
    apply: (b) => ({ ...b, isTruncated: true }),
  },
  {
    form: '-wrongusage',
    effect: 'reports ten times the tokens',
    pattern: /^wrongusage$/,
    apply: (b) => ({ ...b, usage: 'tenfold' }),
  },
  { form: '-nousage', effect: 'reports no usage', pattern: /^nousage$/, apply: (b) => ({ ...b, usage: 'none' }) },
  {
    form: '-lumps<n>',
    effect: 'n content events per write (`-lumps7`: seven tokens per flush)',
    pattern: /^lumps(\d+)$/,
    apply: (b, amount) => ({ ...b, eventsPerWrite: Math.min(Math.max(amount, 1), EVENTS_PER_WRITE_MAX) }),
  },
  {
    form: '-split',
    effect: 'writes end in the middle of lines and of UTF-8 sequences; the text has multi-byte characters',
    pattern: /^split$/,
    apply: (b) => ({ ...b, isSplit: true }),
  },
  {
    form: '-pause',
    effect: 'first content event, then nothing until `POST /control/release?model=<name>`; whole: nothing until then',
    pattern: /^pause$/,
    apply: (b) => ({ ...b, faults: [...b.faults, { kind: 'pause', afterEvents: 1 }] }),
  },
]

/** What a model of this name does. Words may stand in any order; words that aren't in the table are part of the name. */
export function readBehaviour(model: string): Behaviour {
  let behaviour = PLAIN
  for (const word of model.split('-')) {
    for (const { pattern, apply } of BEHAVIOUR_WORDS) {
      const match = pattern.exec(word)
      if (match) behaviour = apply(behaviour, Number(match[1] ?? 0))
    }
  }
  return behaviour
}

function fault(kind: Fault['kind'], form: string, effect: string): BehaviourWord {
  return {
    form,
    effect,
    pattern: new RegExp(`^${kind}(\\d+)$`),
    apply: (b, amount) => ({ ...b, faults: [...b.faults, { kind, afterEvents: amount }] }),
  }
}
