// The OpenAI chat dialect: OpenAI itself and everyone who speaks its chat completions, with what each does differently as
// quirks of the target. https://platform.openai.com/docs/api-reference/chat/create
import type { Target } from '../../core/directory.ts'
import { hasQuirk } from '../../core/quirk.ts'
import { pathSegment } from '../../wire/path-segment.ts'
import type { Dialect, UpstreamCall } from '../dialect.ts'
import { editChat } from './edit.ts'
import { chatGaps, chatNativeGaps } from './gaps.ts'
import { createChatMeter } from './meter.ts'
import { createChatReader, readChatReply } from './reader.ts'
import { writeChatRequest } from './request.ts'
import { outputBound } from '../output-bound.ts'
import { readErrorResponse } from '../failures/provider-error.ts'

export const openaiChat: Dialect = {
  name: 'openai-chat',
  wire: 'openai-chat',
  framing: 'sse',
  auth: 'bearer',
  nativeWire: () => 'openai-chat',
  gaps: chatGaps,
  nativeGaps: chatNativeGaps,
  write(request, target, edits) {
    const bound = outputBound(request.maxOutputTokens, edits.maxOutputTokens)
    const model = edits.model ?? (target.model === '*' ? request.model : target.model)
    return openaiCall(
      '/chat/completions',
      model,
      target,
      JSON.stringify(writeChatRequest(request, target, model, bound)),
    )
  },
  edit(text, body, edits, target) {
    const model = edits.model ?? String(body['model'])
    return openaiCall('/chat/completions', model, target, editChat(text, body, edits, target))
  },
  reader: createChatReader,
  meter: createChatMeter,
  read: readChatReply,
  fail: readErrorResponse,
  probe(target) {
    const messages = [{ role: 'user', content: 'Reply with the word ok.' }]
    return openaiCall('/chat/completions', target.model, target, JSON.stringify({ model: target.model, messages }))
  },
}

const HEADERS = { 'content-type': 'application/json' }

/** A call of one of OpenAI's methods: below the base URL, or below the deployment where the target is of Azure's older kind. */
export function openaiCall(method: string, model: string, target: Target, body: string): UpstreamCall {
  if (!hasQuirk(target, 'azure-deployments')) return { path: method, headers: HEADERS, body }
  const { deployment = model, apiVersion = '2024-10-21' } = target.settings ?? {}
  const query = `api-version=${encodeURIComponent(apiVersion)}`
  return { path: `/deployments/${pathSegment(deployment)}${method}?${query}`, headers: HEADERS, body }
}
