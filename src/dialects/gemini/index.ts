// The Gemini dialect: AI Studio, and Vertex AI where the target's settings say `host: vertex` (its base URL then ends in
// the project and the location: `https://{location}-aiplatform.googleapis.com/v1/projects/{project}/locations/{location}`;
// in express mode, with an API key, in the version). Model and streaming are said by the path, not by the body.
// https://ai.google.dev/api/generate-content,
// https://docs.cloud.google.com/vertex-ai/generative-ai/docs/model-reference/inference (read 2026-11-21)
import type { Target } from '../../core/directory.ts'
import type { JsonObject } from '../../core/json.ts'
import type { NeutralRequest } from '../../core/neutral.ts'
import { geminiModelPath } from '../../wire/gemini.ts'
import { numberOf, objectOf } from '../../wire/read.ts'
import { spliceMembers } from '../../wire/splice.ts'
import type { Dialect, UpstreamCall } from '../dialect.ts'
import { createEventMeter } from '../event-meter.ts'
import { geminiGaps } from './gaps.ts'
import { createGeminiReader, readGeminiReply } from './reader.ts'
import { writeGeminiRequest } from './request.ts'
import { outputBound } from '../output-bound.ts'
import { readErrorResponse } from '../failures/provider-error.ts'

const PROBE_CONTENTS = [{ role: 'user', parts: [{ text: 'Reply with the word ok.' }] }]

export const gemini: Dialect = {
  name: 'gemini',
  wire: 'gemini',
  framing: 'sse',
  auth: 'x-goog-api-key',
  nativeWire: () => 'gemini',
  gaps: geminiGaps,
  write(request, target, edits) {
    const model = edits.model ?? (target.model === '*' ? request.model : target.model)
    const bound = outputBound(request.maxOutputTokens, edits.maxOutputTokens)
    return call(model, target, request.stream, JSON.stringify(writeGeminiRequest(request, model, target, bound)))
  },
  edit(text, body, edits, target) {
    const config = objectOf(body['generationConfig'])
    const given = numberOf(config['maxOutputTokens']) ?? undefined
    const maxOutputTokens = outputBound(given, edits.maxOutputTokens)
    const isLowered = maxOutputTokens !== null && maxOutputTokens !== given
    const members = isLowered ? { generationConfig: { ...config, maxOutputTokens } } : {}
    const edited = isLowered ? (spliceMembers(text, members) ?? JSON.stringify({ ...body, ...members })) : text
    return call(edits.model ?? target.model, target, body['stream'] === true, edited)
  },
  reader: createGeminiReader,
  meter: () => createEventMeter(createGeminiReader()),
  read: readGeminiReply,
  fail: readErrorResponse,
  probe(target) {
    const body: JsonObject = { contents: PROBE_CONTENTS, generationConfig: { maxOutputTokens: 1 } }
    return call(target.model, target, false, JSON.stringify(body))
  },
}

const HEADERS = { 'content-type': 'application/json' }

function call(model: string, target: Target, isStreamed: boolean, body: string): UpstreamCall {
  const method = isStreamed ? 'streamGenerateContent?alt=sse' : 'generateContent'
  return { path: `${geminiModelPath(model, target)}:${method}`, headers: HEADERS, body }
}

/** The call that counts a request's tokens without answering it. Settings of the reply don't count and aren't sent. */
export function geminiCountTokensCall(request: NeutralRequest, model: string, target: Target): UpstreamCall {
  const { contents, systemInstruction, tools } = writeGeminiRequest(request, model, target, null)
  const counted = { contents, systemInstruction, tools }
  // AI Studio counts system and tools only inside a whole request, which names its model again.
  const isPlain = target.settings?.['host'] === 'vertex' || (systemInstruction === undefined && tools === undefined)
  const name = geminiModelPath(model, target).slice(1)
  const body = isPlain ? counted : { generateContentRequest: { model: decodeURIComponent(name), ...counted } }
  return { path: `/${name}:countTokens`, headers: HEADERS, body: JSON.stringify(body) }
}
