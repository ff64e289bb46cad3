// Puts a request into the body of a described backend, and says what that body has no place for.
import type { Target } from '../../core/directory.ts'
import type { Gap } from '../../core/failure.ts'
import type { Json } from '../../core/json.ts'
import type { NeutralPart, NeutralRequest, SettingName } from '../../core/neutral.ts'
import { settingGap, uncarried } from '../../core/reply/request-gaps.ts'
import type { DeclaredBackend } from '../../wire/declared.ts'
import { fillTemplate, placeholdersIn, type Placeholder, type Values } from '../../wire/declared-template.ts'
import { pathSegment } from '../../wire/path-segment.ts'
import type { UpstreamCall } from '../dialect.ts'
import { messageForm, writeChatMessages } from '../openai-chat/messages.ts'
import { onceEach, partGaps } from '../part-gaps.ts'
import { objectionOfText, plainPrompt, textOfTurn, toolGaps } from '../prompt-text.ts'

/** Which placeholder carries which setting. */
const SETTINGS: readonly (readonly [Placeholder, SettingName])[] = [
  ['max_tokens', 'maxOutputTokens'],
  ['temperature', 'temperature'],
  ['top_p', 'topP'],
  ['top_k', 'topK'],
  ['stop', 'stop'],
  ['seed', 'seed'],
  ['frequency_penalty', 'frequencyPenalty'],
  ['presence_penalty', 'presencePenalty'],
  ['json_schema', 'responseFormat'],
  ['reasoning_effort', 'reasoning'],
]

/** Everything in the request that the body has no place for; a field is named once. */
export function declaredGaps(request: NeutralRequest, backend: DeclaredBackend): readonly Gap[] {
  const used = placeholdersIn(backend.body)
  const carried = new Set<SettingName>(['toolChoice', 'parallelToolCalls'])
  for (const [placeholder, setting] of SETTINGS) if (used.has(placeholder)) carried.add(setting)
  const objection = used.has('messages.openai') ? objectionOfMessages : objectionOfText
  const gaps = [...uncarried(request, carried), ...partGaps(request, objection), ...toolGaps(request)]
  if (carried.has('responseFormat') && request.responseFormat?.kind === 'json-object') {
    gaps.push(settingGap(request, 'responseFormat', 'this model takes a JSON schema, but no free JSON'))
  }
  return onceEach([...gaps, ...conversationGaps(request, used)])
}

/** On OpenAI's wire pictures, calls and results have a place. */
function objectionOfMessages(part: NeutralPart): string | null {
  if (part.kind === 'tool-call' || part.kind === 'tool-result') return null
  if (part.kind === 'image') return part.source.kind === 'file' ? 'this model cannot be sent a file' : null
  return objectionOfText(part)
}

/** What is lost of a conversation where the body has a place for a piece of it alone. */
function conversationGaps(request: NeutralRequest, used: ReadonlySet<Placeholder>): readonly Gap[] {
  if (used.has('prompt') || used.has('messages') || used.has('messages.openai')) return []
  const roles = request.messages.map((message) => message.role)
  const isMore = roles.filter((role) => role !== 'system').length > 1
  const isUntold = roles.includes('system') && !used.has('system')
  if (isMore) return [{ field: 'messages', reason: 'this model is told the last message alone' }]
  return isUntold ? [{ field: 'messages', reason: 'this model is told no system message' }] : []
}

/** The call. `maxTokens`: the bound on the reply, or null for none. */
export function writeDeclared(
  backend: DeclaredBackend,
  request: NeutralRequest,
  target: Target,
  model: string,
  maxTokens: number | null,
): UpstreamCall {
  const body = fillTemplate(backend.body, valuesOf(request, target, model, maxTokens)) ?? {}
  return callOf(backend, request.stream, model, body)
}

/** The call with that body. */
export function callOf(backend: DeclaredBackend, isStream: boolean, model: string, body: Json): UpstreamCall {
  const path = (isStream ? backend.streamPath : backend.path).replaceAll('{model}', () => pathSegment(model))
  return {
    path,
    method: backend.method,
    headers: { 'content-type': 'application/json', ...backend.headers },
    body: JSON.stringify(body),
    ...(backend.framing === 'websocket' ? { isWebSocket: true } : {}),
  }
}

function valuesOf(request: NeutralRequest, target: Target, model: string, maxTokens: number | null): Values {
  const { messages, responseFormat } = request
  const systems = messages.filter(({ role }) => role === 'system').map(({ parts }) => textOfTurn(parts))
  const lastUser = messages.findLast(({ role }) => role === 'user')
  return {
    prompt: plainPrompt(messages),
    system: systems.length === 0 ? undefined : systems.join('\n\n'),
    last_user: lastUser === undefined ? undefined : textOfTurn(lastUser.parts),
    messages: messages.map(({ role, parts }) => ({ role, content: textOfTurn(parts) })),
    'messages.openai': writeChatMessages(messages, messageForm(request, target)),
    model,
    max_tokens: maxTokens ?? undefined,
    temperature: request.temperature,
    top_p: request.topP,
    top_k: request.topK,
    stop: request.stop,
    seed: request.seed,
    frequency_penalty: request.frequencyPenalty,
    presence_penalty: request.presencePenalty,
    json_schema: responseFormat?.kind === 'json-schema' ? responseFormat.schema : undefined,
    reasoning_effort: request.reasoning?.effort,
    user: request.endUser,
    stream: request.stream,
  }
}
