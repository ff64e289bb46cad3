// The OpenAI responses dialect: OpenAI itself, and everyone who speaks its newer API.
// https://platform.openai.com/docs/api-reference/responses/create
import type { Json, JsonObject } from '../../core/json.ts'
import { openOfItem, RESPONSES_MAKER, SEAL_MARK } from '../../wire/openai-responses-reasoning.ts'
import { arrayOf, objectOf, stringOf } from '../../wire/read.ts'
import { spliceMembers } from '../../wire/splice.ts'
import type { Dialect, NativeEdits, UpstreamCall } from '../dialect.ts'
import { createResponsePlaces, cuttableMeter } from './cut.ts'
import { responsesGaps } from './gaps.ts'
import { createResponsesMeter } from './meter.ts'
import { createResponsesReader, readResponse } from './reader.ts'
import { writeResponsesRequest } from './request.ts'
import { outputBound } from '../output-bound.ts'
import { readErrorResponse } from '../failures/provider-error.ts'

/** The least output that the API lets anyone ask for. */
const PROBE_TOKENS = 16

export const openaiResponses: Dialect = {
  name: 'openai-responses',
  wire: 'openai-responses',
  framing: 'sse',
  auth: 'bearer',
  nativeWire: () => 'openai-responses',
  gaps: responsesGaps,
  write(request, target, edits) {
    const model = edits.model ?? (target.model === '*' ? request.model : target.model)
    const bound = outputBound(request.maxOutputTokens, edits.maxOutputTokens)
    return call(JSON.stringify(writeResponsesRequest(request, target, model, bound)))
  },
  edit(text, body, edits) {
    return call(editText(text, body, membersToSet(text, body, edits)))
  },
  reader: createResponsesReader,
  meter: (_, isCuttable = false) => (isCuttable ? cuttableMeter(createResponsesMeter()) : createResponsesMeter()),
  places: createResponsePlaces,
  read: readResponse,
  fail: readErrorResponse,
  probe(target) {
    const input = 'Reply with the word ok.'
    return call(JSON.stringify({ model: target.model, max_output_tokens: PROBE_TOKENS, store: false, input }))
  },
}

const HEADERS = { 'content-type': 'application/json' }

function call(body: string): UpstreamCall {
  return { path: '/responses', headers: HEADERS, body }
}

function membersToSet(text: string, body: JsonObject, edits: NativeEdits): Readonly<Record<string, Json>> {
  const members: Record<string, Json> = {}
  if (edits.model !== null && edits.model !== body['model']) members['model'] = edits.model
  const given = typeof body['max_output_tokens'] === 'number' ? body['max_output_tokens'] : undefined
  const bound = outputBound(given, edits.maxOutputTokens)
  if (bound !== null && bound !== given) members['max_output_tokens'] = bound
  if (text.includes(SEAL_MARK)) {
    const input = arrayOf(body['input'])
    const opened = input.flatMap((item) => openReasoning(item))
    if (opened.some((item, index) => item !== input[index])) members['input'] = opened
  }
  return members
}

/** Sealed reasoning as it was before. Another model's, from when the conversation was with that one, is left out: the
 *  provider would refuse it. */
function openReasoning(item: Json): readonly Json[] {
  const sealed = stringOf(objectOf(item)['encrypted_content'])
  if (sealed?.startsWith(SEAL_MARK) !== true) return [item]
  const { signature } = openOfItem(sealed, null, true)
  if (signature.maker !== RESPONSES_MAKER) return []
  const id = signature.itemId ?? objectOf(item)['id'] ?? null
  return [{ ...objectOf(item), id, encrypted_content: signature.value }]
}

/** The gateway's own options ride in `tidegate` and aren't the provider's business: a rare case, worth a rewrite. */
function editText(text: string, body: JsonObject, members: Readonly<Record<string, Json>>): string {
  if (body['tidegate'] === undefined) return spliceMembers(text, members) ?? JSON.stringify({ ...body, ...members })
  const { tidegate: _, ...rest } = body
  return JSON.stringify({ ...rest, ...members })
}
