// What a simulated model says in words: a short, pleasant answer that echoes the question, or as many tokens as wanted,
// made on demand. A token is four characters. Pure.
import { drawFrom } from './chance.ts'

const CHARS_PER_TOKEN = 4
const ANSWER_TOKENS_MIN = 40
const GIST_CHARS_MAX = 60

const OPENINGS = [
  'You asked about',
  'Happy to help with',
  'Here is a thought on',
  'Let us look at',
  'A good question:',
] as const

const SENTENCES = [
  'Start with the smallest step that could work, and look at what it teaches you.',
  'Two things matter here: what you can measure, and what you are willing to change.',
  'Most of the answer is already in the way you put the question.',
  'A short list often beats a long plan, because it gets finished.',
  'The tide comes in twice a day, so there is always another chance.',
  'Write down what you expect first; surprises are easier to see afterwards.',
  'If it still seems hard tomorrow, split it in two and try the easier half.',
  'That holds in general, though the details depend on your case.',
] as const

const MULTIBYTE_SENTENCES = [
  'Größe, façade, naïveté: each letter takes its own room.',
  '潮が満ちるまで、少し待ちましょう。',
  'The signal was 🌊🌊🌊, then 🚢 and 🏝️ at last.',
  'Приливы и отливы — дело привычное.',
] as const

/** The tokens of a text: four characters (code points) each, the last one maybe fewer. */
export function* tokensOf(text: Iterable<string>): Generator<string> {
  let piece = ''
  let size = 0
  for (const run of text) {
    for (const character of run) {
      piece += character
      if (++size < CHARS_PER_TOKEN) continue
      yield piece
      piece = ''
      size = 0
    }
  }
  if (size > 0) yield piece
}

/** How many tokens a text counts as. */
export function countTokens(text: string): number {
  return Math.ceil(text.length / CHARS_PER_TOKEN)
}

/** A short answer of about 40 to 80 tokens, in whole sentences. */
export function shortAnswer(seed: number, question: string, isMultibyte: boolean): string {
  let text = ''
  for (const sentence of endlessAnswer(seed, question, isMultibyte)) {
    text += sentence
    if (countTokens(text) >= ANSWER_TOKENS_MIN) break
  }
  return text
}

/** The same answer, going on for ever. */
export function* endlessAnswer(seed: number, question: string, isMultibyte: boolean): Generator<string> {
  const draw = drawFrom(seed)
  const gist = gistOf(question)
  yield gist === '' ? 'Here is what comes to mind.' : `${pick(OPENINGS, draw)} "${gist}".`
  for (let index = 0; ; index++) {
    const isForeign = isMultibyte && index % 2 === 0
    yield ` ${pick(isForeign ? MULTIBYTE_SENTENCES : SENTENCES, draw)}`
  }
}

/** The beginning of a text in one line, cut at a word. */
export function gistOf(text: string): string {
  const line = text
    .slice(0, 4 * GIST_CHARS_MAX)
    .replaceAll(/\s+/g, ' ')
    .trim()
  const characters = [...line]
  if (characters.length <= GIST_CHARS_MAX) return line
  const cut = characters.slice(0, GIST_CHARS_MAX).join('')
  const lastSpace = cut.lastIndexOf(' ')
  return `${lastSpace > 0 ? cut.slice(0, lastSpace) : cut}...`
}

function pick(choices: readonly string[], draw: () => number): string {
  return choices[Math.floor(draw() * choices.length)] ?? ''
}
