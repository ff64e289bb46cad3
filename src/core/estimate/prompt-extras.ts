// What a prompt holds besides text, and how many tokens that is at most: providers publish formulas for what they make of
// pictures, sound and pages, but sizes in pixels, seconds and pages aren't known without decoding, so these are their upper
// ends. Tokens. Read 2026-11-21: platform.openai.com/docs/guides/images-vision#calculating-costs,
// platform.claude.com/docs/en/build-with-claude/vision and /pdf-support, ai.google.dev/gemini-api/docs/tokens.

/** A picture, a sound, a document or a film of a prompt. */
export interface PromptMedia {
  readonly kind: 'image' | 'audio' | 'document' | 'video'
  /** Base64, with or without what introduces it; null where it is elsewhere (an address, a file of the provider's). */
  readonly data: string | null
  /** `low`: the small version of a picture is enough. */
  readonly isLow?: boolean
  /** Sound that isn't compressed. */
  readonly isRaw?: boolean
}

/** What of a request weighs on its tokens besides the text of its prompt. */
export interface PromptExtras {
  readonly turns: number
  readonly hasTools: boolean
  readonly media: readonly PromptMedia[]
  /** The reply may be sound. */
  readonly isSpoken: boolean
}

/** Tokens of what isn't text: sound has a price of its own. */
export interface ExtraTokens {
  /** What providers write around turns and tools. */
  readonly overhead: number
  readonly media: number
  readonly audio: number
}

/** Role names, separators and the like of a short conversation … */
const OVERHEAD_TOKENS = 16
/** … and of each turn beyond so many. */
const TURN_TOKENS = 4
const TURNS_COVERED = 3
/** What tells a model how to call tools: a few words, but of Anthropic's a page (up to 530 tokens). */
const TOOLS_TOKENS = 32
const TOOLS_TOKENS_CLAUDE = 530

/** Most tokens of a picture, small and large, by the beginning of a family's name; the first that is in the name counts.
 *  OpenAI: tiles (8 of 512 px) or patches (1,536 times the model's factor). Anthropic: 1.15 megapixels / 750, the newest
 *  2,576 px a side. Gemini: six tiles, or the high resolution of version 3. */
const PICTURES: readonly (readonly [name: string, low: number, high: number])[] = [
  ['gpt-4o-mini', 2_833, 48_169],
  ['-nano', 3_779, 3_779],
  ['o4-mini', 2_642, 2_642],
  ['gpt-4.1-mini', 2_489, 2_489],
  ['gpt-5', 70, 2_489],
  ['gpt-', 85, 1_445],
  ['o1', 75, 1_275],
  ['o3', 75, 1_275],
  ['claude-opus-4-7', 4_784, 4_784],
  ['claude-opus-4-8', 4_784, 4_784],
  ['claude', 1_600, 1_600],
  ['gemini', 1_120, 1_548],
]
/** Of any other model: 1,024 px a side in patches of 16. */
const PICTURE_TOKENS = 4_160

/** Gemini's rate; OpenAI's is 10. */
const AUDIO_TOKENS_PER_SECOND = 32
/** Speech at 16 kbit/s, or uncompressed at 8 kHz. */
const AUDIO_BYTES_PER_SECOND = 2_000
const RAW_AUDIO_BYTES_PER_SECOND = 16_000
/** Sound that is elsewhere is taken for ten minutes. */
const AUDIO_SECONDS = 600
/** Gemini's rate with sound, and a film of 200 kbit/s; one that is elsewhere is taken for five minutes. */
const VIDEO_TOKENS_PER_SECOND = 300
const VIDEO_BYTES_PER_SECOND = 25_000
const VIDEO_SECONDS = 300
/** The text of a page; its picture comes on top. A page has at least so many bytes, a document at most so many pages; one
 *  that is elsewhere is taken for ten. */
const PAGE_TOKENS = 3_000
const PAGE_BYTES = 10_000
const PAGES_MAX = 100
const PAGES = 10

/** What the extras come to at `model`. `charsOf` tells how long a piece of data is. */
export function extraTokens(extras: PromptExtras, model: string, charsOf: (data: string) => number): ExtraTokens {
  const name = model.toLowerCase()
  const turns = Math.max(0, extras.turns - TURNS_COVERED) * TURN_TOKENS
  const tools = !extras.hasTools ? 0 : name.includes('claude') ? TOOLS_TOKENS_CLAUDE : TOOLS_TOKENS
  let media = 0
  let audio = 0
  for (const piece of extras.media) {
    const bytes = piece.data === null ? null : Math.ceil((charsOf(piece.data) * 3) / 4)
    if (piece.kind === 'audio') audio += audioTokens(bytes, piece.isRaw === true)
    else if (piece.kind === 'image') media += pictureTokens(name, piece.isLow === true)
    else if (piece.kind === 'video') media += videoTokens(bytes)
    else media += pagesOf(bytes) * (PAGE_TOKENS + pictureTokens(name, false))
  }
  return { overhead: OVERHEAD_TOKENS + turns + tools, media, audio }
}

/** A prompt of nothing but text, in a few turns. */
export const PLAIN: PromptExtras = { turns: 1, hasTools: false, media: [], isSpoken: false }

function pictureTokens(model: string, isLow: boolean): number {
  const family = PICTURES.find(([name]) => model.includes(name))
  if (family === undefined) return PICTURE_TOKENS
  return isLow ? family[1] : family[2]
}

function audioTokens(bytes: number | null, isRaw: boolean): number {
  const perSecond = isRaw ? RAW_AUDIO_BYTES_PER_SECOND : AUDIO_BYTES_PER_SECOND
  return Math.ceil(bytes === null ? AUDIO_SECONDS : bytes / perSecond) * AUDIO_TOKENS_PER_SECOND
}

function videoTokens(bytes: number | null): number {
  return Math.ceil(bytes === null ? VIDEO_SECONDS : bytes / VIDEO_BYTES_PER_SECOND) * VIDEO_TOKENS_PER_SECOND
}

function pagesOf(bytes: number | null): number {
  return bytes === null ? PAGES : Math.min(PAGES_MAX, Math.max(1, Math.ceil(bytes / PAGE_BYTES)))
}
