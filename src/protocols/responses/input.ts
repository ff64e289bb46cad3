// Reads the items of a responses request into neutral turns. What an assistant did between two turns of the user (reasoning,
// calls, messages) is one turn, however many items it is; results of calls that stand together are one turn of the user.
// https://platform.openai.com/docs/api-reference/responses/create#responses-create-input
import type { InvalidRequest } from '../../core/failure.ts'
import type { Json, JsonObject } from '../../core/json.ts'
import type { NeutralMessage, NeutralPart, Signature } from '../../core/neutral.ts'
import { err, ok } from '../../core/result.ts'
import type { Result } from '../../core/result.ts'
import { readGeneratedImage, RESPONSES_WIRE } from '../../wire/openai-responses.ts'
import { openOfItem } from '../../wire/openai-responses-reasoning.ts'
import { isJsonArray, objectOf, stringOf } from '../../wire/read.ts'
import { invalidRequest } from '../chat/facts.ts'
import { readContent } from './content.ts'

type Role = NeutralMessage['role']

/** The turns that `input` tells. The error names the item that can't be read. */
export function readInput(input: Json | undefined): Result<readonly NeutralMessage[], InvalidRequest> {
  if (typeof input === 'string') return ok([{ role: 'user', parts: [{ kind: 'text', text: input }] }])
  if (!isJsonArray(input)) return ok([])
  const turns = new Turns()
  for (let i = 0; i < input.length; i += 1) {
    const invalid = readItem(turns, objectOf(input[i]), `input[${i}]`)
    if (invalid !== null) return err(invalid)
  }
  return ok(turns.messages)
}

interface Turn {
  readonly role: Role
  readonly parts: NeutralPart[]
}

class Turns {
  readonly messages: Turn[] = []
  /** Whether parts of other items may join the last turn. */
  private isOpen = false
  /** Signatures of calls that are still to come. */
  private pending: Signature | null = null

  /** A message of its own. */
  message(role: Role, parts: readonly NeutralPart[]): void {
    this.messages.push({ role, parts: [...parts] })
    this.isOpen = false
  }

  /** Parts that join what the same side did just before. */
  join(role: Role, ...parts: readonly NeutralPart[]): void {
    const last = this.messages.at(-1)
    if (last?.role === role && this.isOpen) last.parts.push(...parts)
    else this.messages.push({ role, parts: [...parts] })
    this.isOpen = true
  }

  call(part: Extract<NeutralPart, { kind: 'tool-call' }>): void {
    const signature = this.pending
    this.pending = null
    this.join('assistant', signature === null ? part : { ...part, signature })
  }

  reasoning(item: JsonObject): void {
    const summary = textsOf(item['summary'])
    const texts = summary.length > 0 ? summary : textsOf(item['content'])
    const text = texts.join('\n\n')
    const id = stringOf(item['id'])
    const encrypted = stringOf(item['encrypted_content'])
    if (encrypted === null) {
      // The provider has it, under its id alone.
      const signature = id === null || texts.length > 0 ? {} : { signature: stored(id) }
      return this.join('assistant', { kind: 'reasoning', text, ...signature })
    }
    const { signature, use } = openOfItem(encrypted, id, texts.length > 0)
    if (use === 'call') this.pending = signature
    else if (use === 'empty') this.join('assistant', { kind: 'text', text: '', signature })
    else if (use === 'text') this.signText(signature)
    else if (use === 'redacted') this.join('assistant', { kind: 'reasoning', text, redacted: signature })
    else {
      const isSummary = signature.maker === 'openai-responses' && summary.length > 0 ? { isSummary: true } : {}
      this.join('assistant', { kind: 'reasoning', text, signature, ...isSummary })
    }
  }

  private signText(signature: Signature): void {
    const last = this.messages.at(-1)?.parts
    const text = last?.at(-1)
    if (last !== undefined && text?.kind === 'text') last[last.length - 1] = { ...text, signature }
    else this.join('assistant', { kind: 'text', text: '', signature })
  }
}

function stored(itemId: string): Signature {
  return { maker: 'openai-responses', value: '', itemId }
}

function readItem(turns: Turns, item: JsonObject, field: string): InvalidRequest | null {
  const type = item['type'] ?? (item['role'] === undefined ? 'item_reference' : 'message')
  switch (type) {
    case 'message':
      return readMessage(turns, item, field)
    case 'reasoning':
      turns.reasoning(item)
      return null
    case 'function_call':
    case 'custom_tool_call':
      return readCall(turns, item, field)
    case 'function_call_output':
    case 'custom_tool_call_output':
      return readOutput(turns, item, field)
    case 'image_generation_call': {
      const source = readGeneratedImage(item)
      turns.join('assistant', source === null ? otherOf(item, type) : { kind: 'image', source })
      return null
    }
    default: {
      if (typeof type !== 'string') return invalidRequest(`${field}.type`, `Invalid type for '${field}.type'.`)
      turns.join(/_(?:output|response|reference)$/.test(type) ? 'user' : 'assistant', otherOf(item, type))
      return null
    }
  }
}

function otherOf(item: JsonObject, type: string): NeutralPart {
  return { kind: 'other', type, value: item, wire: RESPONSES_WIRE }
}

const ROLES: Readonly<Record<string, Role>> = {
  system: 'system',
  developer: 'system',
  user: 'user',
  assistant: 'assistant',
}

function readMessage(turns: Turns, item: JsonObject, field: string): InvalidRequest | null {
  const given = item['role']
  const role = typeof given === 'string' && Object.hasOwn(ROLES, given) ? ROLES[given] : undefined
  if (role === undefined) {
    const known = "'system', 'developer', 'user' and 'assistant'"
    return invalidRequest(`${field}.role`, `Invalid value for '${field}.role': supported roles are ${known}.`)
  }
  const parts = readContent(item['content'], `${field}.content`)
  if (!parts.ok) return parts.error
  if (role === 'assistant') turns.join(role, ...inPhase(parts.value, stringOf(item['phase'])))
  else turns.message(role, parts.value)
  return null
}

function inPhase(parts: readonly NeutralPart[], phase: string | null): readonly NeutralPart[] {
  return phase === null ? parts : parts.map((part) => (part.kind === 'text' ? { ...part, phase } : part))
}

/** A call that belongs to a program or a namespace of OpenAI's is a piece that only this wire knows. */
function readCall(turns: Turns, item: JsonObject, field: string): InvalidRequest | null {
  const isCustom = item['type'] === 'custom_tool_call'
  const caller = objectOf(item['caller'])['type'] ?? 'direct'
  if (stringOf(item['namespace']) !== null || caller !== 'direct') {
    turns.join('assistant', otherOf(item, String(item['type'])))
    return null
  }
  const id = stringOf(item['call_id']) ?? stringOf(item['id'])
  const name = stringOf(item['name'])
  if (id === null || name === null) return missing(`${field}.${id === null ? 'call_id' : 'name'}`)
  const text = item[isCustom ? 'input' : 'arguments']
  const argumentsText = typeof text === 'string' ? text : JSON.stringify(text ?? {})
  turns.call({ kind: 'tool-call', id, name, argumentsText, ...(isCustom ? { isCustom } : {}) })
  return null
}

function readOutput(turns: Turns, item: JsonObject, field: string): InvalidRequest | null {
  const callId = stringOf(item['call_id'])
  if (callId === null) return missing(`${field}.call_id`)
  const content = readContent(item['output'], `${field}.output`)
  if (!content.ok) return content.error
  turns.join('user', { kind: 'tool-result', callId, content: content.value, isError: false })
  return null
}

function missing(field: string): InvalidRequest {
  return invalidRequest(field, `Missing required parameter: '${field}'.`)
}

function textsOf(value: Json | undefined): readonly string[] {
  if (!isJsonArray(value)) return []
  return value.flatMap((part) => {
    const text = objectOf(part)['text']
    return typeof text === 'string' ? [text] : []
  })
}
