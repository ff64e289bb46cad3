// What the simulated providers with plain manners share: a bearer key, errors of one line, requests that say what OpenAI's
// say in other words. Pure.
import { isJsonObject, parseJson, type Json, type JsonObject } from '../core/json.ts'
import type { Result } from '../core/result.ts'
import { openaiRefusal } from './openai-errors.ts'
import { readChatRequest } from './openai-request.ts'
import type { Ask, Refusal, ReplyPart } from './provider.ts'

/** Any bearer key but `invalid`. */
export function refuseBearer(headers: Headers): Refusal | null {
  const key = /^bearer\s+(.+)$/i.exec(headers.get('authorization') ?? '')?.[1]?.trim() ?? ''
  if (key !== '' && key !== 'invalid') return null
  return { status: 401, message: 'invalid api token', code: null, param: null }
}

/** What an unreadable body is told. */
export const NOT_JSON: Refusal = { status: 400, message: 'invalid request: not JSON', code: null, param: null }

/** Words for a status. */
export function plainRefusal(status: number, model: string): Refusal {
  return { ...openaiRefusal(status, model).refusal, code: null, param: null }
}

/** A request that was put into OpenAI's words, with what those have no words for. */
export function readAsChat(body: JsonObject, changes: Partial<Ask>): Result<Ask, Refusal> {
  const read = readChatRequest(body)
  if (!read.ok) return read
  return { ok: true, value: { ...read.value, choices: 1, wantsUsage: true, isPadded: false, ...changes } }
}

/** All of a part's words. */
export function wordsOf(part: ReplyPart): string {
  return [...part.pieces()].join('')
}

/** The text, or the thinking, of a reply; undefined for none. */
export function textOf(parts: readonly ReplyPart[], kind: 'text' | 'thinking'): string | undefined {
  const part = parts.find((candidate) => candidate.kind === kind)
  return part === undefined ? undefined : wordsOf(part)
}

/** The calls of a reply. */
export function callsOf(parts: readonly ReplyPart[]): readonly Extract<ReplyPart, { readonly kind: 'tool-call' }>[] {
  return parts.filter((part) => part.kind === 'tool-call')
}

/** A call's arguments as an object; an empty one where they were cut off. */
export function argumentsOf(part: ReplyPart): Json {
  const value = parseJson(wordsOf(part))
  return isJsonObject(value) ? value : {}
}
