// An assistant's message of a chat request as neutral parts. Clients send back what they got, put together as each of them
// does it: pieces of one block of reasoning may be one detail or many, signatures stand beside them or in them.
import type { CacheMark, NeutralPart, Signature } from '../../core/neutral.ts'
import type { JsonObject } from '../../core/json.ts'
import { readPieces } from '../../wire/openai-chat-message.ts'
import type { ChatPiece, ChatToolPiece } from '../../wire/openai-chat-message.ts'
import { isJsonArray, objectOf } from '../../wire/read.ts'
import { readCacheMark } from './parts.ts'

type Reasoning = NeutralPart & { readonly kind: 'reasoning' }

/** The parts of an assistant's message, in the order in which a reply has them. */
export function readAssistantParts(message: JsonObject): readonly NeutralPart[] {
  const draft: Draft = { parts: [], block: null, callSignatures: new Map() }
  for (const piece of readPieces(message)) addPiece(draft, piece)
  const signed = draft.parts.map((part) => withCallSignature(draft, part))
  const unclaimed = [...draft.callSignatures.values()].map((redacted): Reasoning => ({
    kind: 'reasoning',
    text: '',
    redacted,
  }))
  return withMarks([...unclaimed, ...signed], message)
}

interface Draft {
  readonly parts: NeutralPart[]
  /** Number of the block of reasoning that is last. */
  block: number | null
  /** By the id of the call that they belong to. */
  readonly callSignatures: Map<string, Signature>
}

function addPiece(draft: Draft, piece: ChatPiece): void {
  const { parts } = draft
  switch (piece.kind) {
    case 'reasoning':
      return addReasoning(draft, piece)
    case 'signature':
      return sign(parts, piece.signature)
    case 'redacted':
      return addRedacted(draft, piece.signature, piece.block)
    case 'call-signature':
      return void draft.callSignatures.set(piece.callId, piece.signature)
    case 'text-signature':
      return signText(parts, piece.signature)
    case 'citation': {
      const last = parts.at(-1)
      if (last?.kind === 'text')
        parts[parts.length - 1] = { ...last, citations: [...(last.citations ?? []), piece.citation] }
      return
    }
    case 'image':
      return void parts.push({ kind: 'image', source: piece.source })
    case 'audio':
      return addAudio(parts, piece)
    case 'tool':
      return void parts.push(readCall(piece))
    default:
      return void parts.push({ kind: piece.kind, text: piece.text })
  }
}

function addReasoning(draft: Draft, piece: ChatPiece & { readonly kind: 'reasoning' }): void {
  const last = draft.parts.at(-1)
  const isMore = piece.block !== null && piece.block === draft.block
  draft.block = piece.block
  if (isMore && last?.kind === 'reasoning' && last.signature === undefined && last.redacted === undefined) {
    draft.parts[draft.parts.length - 1] = { ...last, text: last.text + piece.text }
  } else {
    draft.parts.push({ kind: 'reasoning', text: piece.text, ...(piece.isSummary ? { isSummary: true } : {}) })
  }
}

/** A signature belongs to the reasoning before it, unless that one has its own. */
function sign(parts: NeutralPart[], signature: Signature): void {
  const last = parts.at(-1)
  const isFree = last?.kind === 'reasoning' && last.signature === undefined && last.redacted === undefined
  if (isFree) parts[parts.length - 1] = { ...last, signature }
  else parts.push({ kind: 'reasoning', text: '', signature })
}

function addRedacted(draft: Draft, redacted: Signature, block: number | null): void {
  const last = draft.parts.at(-1)
  const isSame = block !== null && block === draft.block
  if (isSame && last?.kind === 'reasoning' && last.signature === undefined && last.redacted === undefined) {
    draft.parts[draft.parts.length - 1] = { ...last, redacted }
  } else draft.parts.push({ kind: 'reasoning', text: '', redacted })
}

function signText(parts: NeutralPart[], signature: Signature): void {
  const last = parts.at(-1)
  if (last?.kind === 'text') parts[parts.length - 1] = { ...last, signature }
  else parts.push({ kind: 'text', text: '', signature })
}

/** Sound goes back by its id; its bytes are for whoever keeps none. */
function addAudio(parts: NeutralPart[], piece: ChatPiece & { readonly kind: 'audio' }): void {
  const { id, data, transcript } = piece
  parts.push({
    kind: 'audio',
    source: data === '' ? { kind: 'file', id } : { kind: 'base64', mediaType: '', data },
    ...(id === '' ? {} : { id }),
    ...(transcript === '' ? {} : { transcript }),
  })
}

function readCall(piece: ChatToolPiece): NeutralPart {
  return {
    kind: 'tool-call',
    id: piece.id ?? `call_${piece.name ?? 'function'}`,
    name: piece.name ?? '',
    argumentsText: piece.argumentsText,
    ...(piece.signature === null ? {} : { signature: piece.signature }),
    ...(piece.isCustom ? { isCustom: true } : {}),
  }
}

function withCallSignature(draft: Draft, part: NeutralPart): NeutralPart {
  const signature = part.kind === 'tool-call' ? draft.callSignatures.get(part.id) : undefined
  if (part.kind !== 'tool-call' || signature === undefined) return part
  draft.callSignatures.delete(part.id)
  return part.signature === undefined ? { ...part, signature } : part
}

/** Marks of the texts in a list, which pieces don't know. */
function withMarks(parts: readonly NeutralPart[], message: JsonObject): readonly NeutralPart[] {
  const content = message['content']
  if (!isJsonArray(content)) return parts
  const marks = content.flatMap((value): readonly (CacheMark | null)[] => {
    const text = objectOf(value)['text']
    return typeof text === 'string' && text !== '' ? [readCacheMark(objectOf(value)['cache_control'])] : []
  })
  if (marks.every((mark) => mark === null)) return parts
  let at = 0
  return parts.map((part) => {
    if (part.kind !== 'text') return part
    const cacheMark = marks[at++] ?? null
    return cacheMark === null ? part : { ...part, cacheMark }
  })
}
