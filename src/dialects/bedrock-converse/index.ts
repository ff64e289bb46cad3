// The Bedrock Converse dialect: one wire for all models that Amazon serves. The model stands in the path.
// https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html
import type { Target } from '../../core/directory.ts'
import type { NeutralRequest } from '../../core/neutral.ts'
import { numberOf, objectOf } from '../../wire/read.ts'
import { pathSegment } from '../../wire/path-segment.ts'
import { readConverseError } from './failure.ts'
import { converseGaps } from './gaps.ts'
import { createConverseMeter, createConverseReader, readConverseReply } from './reader.ts'
import { writeConverseRequest } from './request.ts'
import type { Dialect, UpstreamCall } from '../dialect.ts'
import { outputBound } from '../output-bound.ts'

/** The least that a call can ask for: enough to see that address, credential and model are right. */
const PROBE_TOKENS = 1

export const bedrockConverse: Dialect = {
  name: 'bedrock-converse',
  wire: 'bedrock-converse',
  framing: 'event-stream',
  auth: 'aws-sigv4',
  nativeWire: () => null,
  gaps: (request, target) => converseGaps(request, modelFor(request, target)),
  write(request, target, edits) {
    const model = edits.model ?? modelFor(request, target)
    const bound = outputBound(request.maxOutputTokens, edits.maxOutputTokens)
    const body = writeConverseRequest(request, model, bound, target.maxOutputTokens)
    return call(model, request.stream ? 'converse-stream' : 'converse', JSON.stringify(body))
  },
  edit(text, body, edits, target) {
    const config = objectOf(body['inferenceConfig'])
    const given = numberOf(config['maxTokens']) ?? undefined
    const bound = outputBound(given, edits.maxOutputTokens)
    const bounded =
      bound === null || bound === given
        ? text
        : JSON.stringify({ ...body, inferenceConfig: { ...config, maxTokens: bound } })
    return call(edits.model ?? target.model, 'converse', bounded)
  },
  reader: createConverseReader,
  meter: createConverseMeter,
  read: readConverseReply,
  fail: readConverseError,
  probe(target) {
    const messages = [{ role: 'user', content: [{ text: 'Reply with the word ok.' }] }]
    return call(target.model, 'converse', JSON.stringify({ messages, inferenceConfig: { maxTokens: PROBE_TOKENS } }))
  },
}

const HEADERS = { 'content-type': 'application/json' }

function call(model: string, action: string, body: string): UpstreamCall {
  return { path: `/model/${pathSegment(model)}/${action}`, headers: HEADERS, body }
}

function modelFor(request: NeutralRequest, target: Target): string {
  return target.model === '*' ? request.model : target.model
}
