// What a client got of a stream whose provider was killed: the whole reply once, one error, or something wrong.
import { isDeepStrictEqual } from 'node:util'
import { fold, isWhole } from '../../src/core/reply/fold.ts'
import { parseJson } from '../../src/core/json.ts'
import type { FinishReason, NeutralReply } from '../../src/core/neutral.ts'
import { createSseFramer } from '../../src/data-plane/framing/sse.ts'
import { objectOf } from '../../src/wire/read.ts'
import { dialects, protocols } from './registries.ts'
import { responseEvents, responseObjection } from './response-order.ts'
import { TARGET } from './target.ts'

export const CLIENTS = ['chat', 'messages', 'responses', 'completions'] as const
export type ClientName = (typeof CLIENTS)[number]

/** What a reply says, as far as a continuation can be held to it. */
export interface Expected {
  readonly text: string
  readonly finish: FinishReason | null
  readonly calls: readonly (readonly [name: string, words: string])[]
  /** Alternatives beside the first. */
  readonly others: readonly Choice[]
}

interface Choice {
  readonly text: string
  readonly finish: FinishReason | null
}

export type Verdict = 'whole' | 'recovered' | 'declared' | 'wrong'

export function expectedOf({ choices }: NeutralReply): Expected {
  const [first, ...others] = choices
  const parts = first?.parts ?? []
  return {
    ...choiceOf(first),
    others: others.map(choiceOf),
    calls: parts.flatMap((part) =>
      part.kind === 'tool-call' ? [[part.name, part.argumentsText || '{}'] as const] : [],
    ),
  }
}

function choiceOf(choice: NeutralReply['choices'][number] | undefined): Choice {
  const parts = choice?.parts ?? []
  return {
    text: parts.map((part) => (part.kind === 'text' ? part.text : '')).join(''),
    finish: choice?.finish ?? null,
  }
}

/** What a client of this protocol makes of the text. */
export function judge(
  client: ClientName,
  { expected, isOrderly }: { readonly expected: Expected; readonly isOrderly: boolean },
  { text, status, reply }: { readonly text: string; readonly status: number; readonly reply: NeutralReply },
): { verdict: Verdict; detail: string } {
  const wrong = (detail: string): { verdict: Verdict; detail: string } => ({ verdict: 'wrong', detail })
  if (status !== 200) return { verdict: 'declared', detail: `status ${status}` }
  const got = expectedOf(reply)
  if (reply.failure !== null) {
    if ([...text.matchAll(TOLD_ERROR)].length !== 1) return wrong('an end without one error')
    const isHalf = got.calls.some((call) => !expected.calls.some((whole) => isDeepStrictEqual(call, whole)))
    if (isHalf) return wrong('an error behind half a call')
    const isBeginning =
      expected.text.startsWith(got.text) &&
      got.others.every(({ text: other }, at) => expected.others[at]?.text.startsWith(other) === true)
    return isBeginning ? { verdict: 'declared', detail: reply.failure.message } : wrong('an error, and other text')
  }
  if (!isWhole(reply)) return wrong('neither whole nor an error')
  if (!isDeepStrictEqual(got, expected)) return wrong(JSON.stringify({ got, expected }))
  if (client !== 'responses' && new Set(idsIn(text)).size !== 1) return wrong(`ids ${idsIn(text).join(', ')}`)
  const disorder = isOrderly ? disorderIn(client, text) : null
  return disorder === null ? { verdict: 'whole', detail: '' } : wrong(disorder)
}

/** How a stream tells its client that it failed. */
const TOLD_ERROR = /^data: (?:\{"error":|\{"type":"error",)/gm

/** What is wrong with the order of a stream's events; null for nothing. */
export function disorderIn(client: ClientName, text: string): string | null {
  if (client === 'messages') return blockDisorder(text)
  if (client !== 'responses') return null
  try {
    return responseObjection(responseEvents(withoutComments(text)))
  } catch (error) {
    return String(error)
  }
}

/** What its protocol's own clients read in a stream. */
export function clientsReply(client: ClientName, text: string): NeutralReply {
  const frames = createSseFramer().push(text)
  const reader = dialects[protocols[client].wire].reader(TARGET)
  return fold([...frames.flatMap((frame) => [...reader.push(frame)]), ...reader.end()])
}

/** What is dispatched to a client: an event without data, like a comment, is nothing. */
function withoutComments(text: string): string {
  return text
    .split('\n\n')
    .filter((block) => /^data:/m.test(block))
    .map((block) => `${block.trimStart()}\n\n`)
    .join('')
}

function idsIn(text: string): readonly string[] {
  return dataIn(text).flatMap((data) => {
    const id = data['id'] ?? objectOf(data['message'])['id']
    return typeof id === 'string' ? [id] : []
  })
}

function dataIn(text: string): readonly ReturnType<typeof objectOf>[] {
  return text
    .split('\n')
    .filter((line) => line.startsWith('data: {'))
    .map((line) => objectOf(parseJson(line.slice('data: '.length))))
}

/** What is wrong with the blocks of a message's stream; null for nothing. */
function blockDisorder(text: string): string | null {
  let next = 0
  let open: number | null = null
  for (const event of dataIn(text)) {
    const { type, index } = event
    if (type === 'content_block_start') {
      if (open !== null || index !== next) return `block ${String(index)} begins`
      open = next
    } else if (type === 'content_block_delta' && index !== open) return `a delta of ${String(index)}`
    else if (type === 'content_block_stop') {
      if (index !== open) return `block ${String(index)} ends`
      open = null
      next += 1
    } else if (type === 'message_stop' && open !== null) return 'a block is left open'
  }
  return null
}
