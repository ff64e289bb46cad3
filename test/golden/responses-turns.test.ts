// A conversation over the responses protocol with models of other wires: what a model said and signed comes back to it on the
// next turn as it was, though the client only knows items of a response.
import { describe, expect, test } from 'vitest'
import type { Wire } from '../../src/core/directory.ts'
import { fold } from '../../src/core/reply/fold.ts'
import { parseJson } from '../../src/core/json.ts'
import type { Json, JsonObject } from '../../src/core/json.ts'
import type { NeutralPart } from '../../src/core/neutral.ts'
import { dialects, protocols } from '../support/registries.ts'
import { arrayOf, objectOf } from '../../src/wire/read.ts'
import { fixturesOf, targetOf } from '../fixtures/replies.ts'
import { eventsInPieces } from '../support/any-parts.ts'
import { responseEvents, responseObjection } from '../support/response-order.ts'

const { responses } = protocols
const CONTEXT = { id: 'resp_req_1', createdSeconds: 1, model: 'harbour-2', wantsUsage: true, request: {} }

/** Every whole reply among the fixtures of the wires of dialects that hold a conversation. */
const CASES = Object.values(dialects).flatMap((dialect) =>
  fixturesOf(dialect.wire).flatMap(({ name, whole, target }) =>
    whole === null ? [] : [[dialect.wire, name, fold(dialect.read(whole, target))] as const],
  ),
)

/** The next turn's items: a streamed response's output, a result for every call, and the user's words. */
function nextInput(output: readonly Json[]): readonly Json[] {
  const calls = output.map((item) => objectOf(item)).filter((item) => String(item['type']).endsWith('_call'))
  const results = calls.flatMap((call) =>
    call['call_id'] === undefined
      ? []
      : [{ type: `${String(call['type'])}_output`, call_id: call['call_id'], output: 'done' }],
  )
  return [{ role: 'user', content: 'Begin.' }, ...output, ...results, { role: 'user', content: 'Go on.' }]
}

function assistantParts(input: readonly Json[]): readonly NeutralPart[] {
  const read = responses.read({ model: 'harbour-2', input })
  if (!read.ok) throw new Error(read.error.message)
  return read.value.messages.flatMap(({ role, parts }) => (role === 'assistant' ? parts : []))
}

/** What comes back: all but sound and pieces of other wires; where text comes from is told in this wire's words. */
function kept(parts: readonly NeutralPart[]): readonly JsonObject[] {
  return parts.flatMap((part) => {
    if (part.kind === 'audio' || (part.kind === 'other' && part.wire !== 'openai-responses')) return []
    const { isSummary: _, citations: __, ...rest }: JsonObject = { ...objectOf(parseJson(JSON.stringify(part))) }
    return [rest]
  })
}

describe('a reply that is sent back', () => {
  test.each(CASES)('%s %s: says the same, streamed', (_, __, reply) => {
    const writer = responses.writer(CONTEXT)
    const text =
      eventsInPieces(reply, 3)
        .map((event) => writer.push(event))
        .join('') + writer.end()
    const events = responseEvents(text)
    expect(responseObjection(events)).toBeNull()
    const output = arrayOf(objectOf(events.at(-1)?.['response'])['output'])
    expect(kept(assistantParts(nextInput(output)))).toEqual(kept(reply.choices[0]?.parts ?? []))
  })
})

/** The request that a dialect of `wire` would send with a reply of its own in it, taken over the responses protocol. */
function nextRequest(wire: Wire, name: string): string {
  const dialect = Object.values(dialects).find((candidate) => candidate.wire === wire)
  const reply = CASES.find((known) => known[0] === wire && known[1] === name)?.[2]
  if (dialect === undefined || reply === undefined) throw new Error(`no fixture ${wire}/${name}`)
  const output = arrayOf(objectOf(responses.write(reply, CONTEXT))['output'])
  const body = { model: 'harbour-2', reasoning: { effort: 'high' }, max_output_tokens: 9000, input: nextInput(output) }
  const read = responses.read(body)
  if (!read.ok) throw new Error(read.error.message)
  const edits = { model: null, forceUsage: false, maxOutputTokens: null }
  return dialect.write(read.value, { ...targetOf(wire), model: '*' }, edits).body
}

describe('a signature that is sent back', () => {
  test.each(signedCases())('%s %s: reaches the model that made it', (wire, name, value) => {
    expect(nextRequest(wire, name)).toContain(JSON.stringify(value))
  })
})

/** Fixtures with reasoning that its own maker signed. */
function signedCases(): readonly (readonly [Wire, string, string])[] {
  const makers: readonly (readonly [Wire, string])[] = [
    ['anthropic-messages', 'anthropic'],
    ['gemini', 'gemini'],
    ['bedrock-converse', 'bedrock'],
    ['openai-responses', 'openai-responses'],
  ]
  return CASES.flatMap(([wire, name, reply]) =>
    (reply.choices[0]?.parts ?? []).flatMap((part) => {
      const signature =
        part.kind === 'reasoning' ? (part.redacted ?? part.signature) : 'signature' in part ? part.signature : null
      const isOwn = makers.some(([own, maker]) => own === wire && signature?.maker === maker)
      return isOwn && signature ? [[wire, name, signature.value] as const] : []
    }),
  )
}
