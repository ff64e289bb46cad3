// Parts of an assistant's turn of every kind that the responses wire has a place for, and events that tell them in pieces.
import fc from 'fast-check'
import { unfold } from '../../src/core/reply/fold.ts'
import type { NeutralEvent, NeutralPart, NeutralReply, Signature } from '../../src/core/neutral.ts'
import { NO_USAGE } from '../../src/core/money/usage.ts'

const text = fc.string({ minLength: 1, unit: 'grapheme' })
const name = fc.stringMatching(/^[a-z_]{1,12}$/)

/** A signature of anybody's. */
export const anySignature: fc.Arbitrary<Signature> = fc
  .record({
    maker: fc.constantFrom('anthropic', 'gemini', 'openai-responses', 'bedrock', null),
    value: fc.base64String({ minLength: 4 }),
    itemId: fc.option(fc.stringMatching(/^rs_[a-z0-9.:%]{1,8}$/), { nil: null }),
  })
  .map(({ maker, value, itemId }) => ({ maker, value, ...(itemId === null ? {} : { itemId }) }))

const optionalSignature = fc.option(anySignature, { nil: null })

function signed(signature: Signature | null): { readonly signature?: Signature } {
  return signature === null ? {} : { signature }
}

const anyPart: fc.Arbitrary<NeutralPart> = fc.oneof(
  fc.tuple(text, optionalSignature).map(([said, signature]): NeutralPart => ({
    kind: 'text',
    text: said,
    ...signed(signature),
  })),
  anySignature.map((signature): NeutralPart => ({ kind: 'text', text: '', signature })),
  fc.tuple(text, optionalSignature).map(([said, signature]): NeutralPart => ({
    kind: 'reasoning',
    text: said,
    ...signed(signature),
  })),
  fc.tuple(fc.constantFrom('', 'in short'), anySignature).map(([said, redacted]): NeutralPart => ({
    kind: 'reasoning',
    text: said,
    redacted: { ...redacted, maker: said === '' ? redacted.maker : 'anthropic' },
  })),
  text.map((said): NeutralPart => ({ kind: 'refusal', text: said })),
  fc.tuple(name, fc.jsonValue(), optionalSignature, fc.uuid()).map(([tool, input, signature, id]): NeutralPart => ({
    kind: 'tool-call',
    id,
    name: tool,
    argumentsText: JSON.stringify({ input }),
    ...signed(signature),
  })),
  fc.tuple(name, text, fc.uuid()).map(([tool, input, id]): NeutralPart => ({
    kind: 'tool-call',
    id,
    name: tool,
    argumentsText: input,
    isCustom: true,
  })),
  fc.constant<NeutralPart>({ kind: 'image', source: { kind: 'base64', mediaType: 'image/webp', data: 'bGlnaHQ=' } }),
  fc.uuid().map((id): NeutralPart => ({
    kind: 'other',
    type: 'web_search_call',
    value: {
      id: `ws_${id}`,
      type: 'web_search_call',
      status: 'completed',
      action: { type: 'search', query: 'tides', queries: ['tides'] },
    },
    wire: 'openai-responses',
  })),
)

/** An assistant's turn. */
export const anyParts = fc.array(anyPart, { maxLength: 8 })

/** A reply that says `parts`. */
export function replyOf(parts: readonly NeutralPart[]): NeutralReply {
  const hasCall = parts.some((part) => part.kind === 'tool-call')
  return {
    id: 'reply',
    model: 'harbour-2',
    createdSeconds: 1_760_000_000,
    choices: [{ parts, finish: hasCall ? 'tool-calls' : 'stop' }],
    usage: { ...NO_USAGE, input: 7, output: 9 },
    failure: null,
  }
}

/** The reply's events with every delta in pieces of `length` characters. */
export function eventsInPieces(reply: NeutralReply, length: number): readonly NeutralEvent[] {
  return unfold(reply).flatMap((event) => {
    if (event.type !== 'part-delta') return [event]
    const pieces: NeutralEvent[] = []
    for (let at = 0; at < event.text.length; at += length) {
      pieces.push({ ...event, text: event.text.slice(at, at + length) })
    }
    return pieces
  })
}
