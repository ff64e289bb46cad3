// The dialect of backends that are described by data (`wire/declared.ts`): what a dialect is otherwise written for, it looks
// up in the target's declaration.
import type { Target } from '../../core/directory.ts'
import type { JsonObject } from '../../core/json.ts'
import type { NeutralRequest } from '../../core/neutral.ts'
import { readDeclared, type DeclaredBackend } from '../../wire/declared.ts'
import { createDeclaredReader, readDeclaredReply } from './reader.ts'
import { callOf, declaredGaps, writeDeclared } from './request.ts'
import type { Dialect } from '../dialect.ts'
import { createEventMeter } from '../event-meter.ts'
import { outputBound } from '../output-bound.ts'
import { modelOf } from '../prompt-text.ts'
import { readErrorResponse } from '../failures/provider-error.ts'

const FRAMINGS = { sse: 'sse', ndjson: 'ndjson', websocket: 'ndjson', json: 'whole' } as const

export const declared: Dialect = {
  name: 'declared',
  wire: 'declared',
  framing: 'ndjson',
  framingOf: (target) => FRAMINGS[backendOf(target).framing],
  auth: 'bearer',
  nativeWire: () => null,
  gaps: (request, target) =>
    target.declared === undefined
      ? [{ field: 'model', reason: 'its backend is not described' }]
      : declaredGaps(request, backendOf(target)),
  write(request, target, edits) {
    const bound = outputBound(request.maxOutputTokens, edits.maxOutputTokens)
    return writeDeclared(backendOf(target), request, target, modelOf(request, target, edits.model), bound)
  },
  edit: (_text, body, edits, target) =>
    callOf(backendOf(target), body['stream'] === true, edits.model ?? target.model, body),
  reader: (target) => createDeclaredReader(backendOf(target).stream),
  meter: (target) => createEventMeter(createDeclaredReader(backendOf(target).stream)),
  read: (body, target) => readDeclaredReply(body, backendOf(target).whole),
  fail: readErrorResponse,
  probe: (target) => writeDeclared(backendOf(target), PROBE, target, target.model, 1),
}

const PROBE: NeutralRequest = {
  model: '',
  stream: false,
  includeUsage: false,
  messages: [{ role: 'user', parts: [{ kind: 'text', text: 'Reply with the word ok.' }] }],
  tools: [],
  extra: {},
}

/** Reading a description takes a while and its targets are few: each is read once. */
const known = new WeakMap<JsonObject, DeclaredBackend>()

function backendOf(target: Target): DeclaredBackend {
  const description = target.declared ?? NOWHERE
  const before = known.get(description)
  if (before !== undefined) return before
  const read = readDeclared(description)
  const backend = read.ok ? read.value : backendOf({ ...target, declared: NOWHERE })
  known.set(description, backend)
  return backend
}

/** What a target without a description, or with one of another version, is called as: nothing good can come of it, and
 *  nothing bad. */
const NOWHERE: JsonObject = { path: '/', body: {}, reply: { text: 'text' } }
