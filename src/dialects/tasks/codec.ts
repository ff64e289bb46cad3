// How a task is put to a provider: its request on the provider's wire, its reply back in the client's shape. One codec a
// dialect and task; a target whose dialect has none for a task is no candidate. Pure.
import type { Target } from '../../core/directory.ts'
import type { Gap } from '../../core/failure.ts'
import type { Json, JsonObject } from '../../core/json.ts'
import type { Usage } from '../../core/money/usage.ts'
import type { UpstreamCall } from '../dialect.ts'

export interface TaskRequest {
  /** The request, or a piece of it, in the client's shape. */
  readonly body: JsonObject
  /** The client's own text of `body`; null for a piece. */
  readonly text: string | null
  /** The model as the provider names it. */
  readonly model: string
}

export interface TaskReply {
  /** In the client's shape; the very value that was read where nothing had to be changed. */
  readonly body: JsonObject
  /** As reported; null when the provider reports no tokens. */
  readonly usage: Usage | null
}

export interface TaskCodec {
  /** Most inputs of one call unless the target says otherwise. */
  batchMax(target: Target): number
  /** What of this request the provider can't do, by the client's own field. */
  gaps(body: JsonObject, target: Target): readonly Gap[]
  write(request: TaskRequest, target: Target): UpstreamCall
  /** Null for a reply that isn't one. */
  read(reply: Json, request: TaskRequest): TaskReply | null
}

/** The codecs of one task, by the name of the dialect. */
export type TaskCodecs = Readonly<Partial<Record<string, TaskCodec>>>

/** Members that change no answer, or that are the gateway's own. */
const HINTS: ReadonlySet<string> = new Set(['model', 'user', 'tidegate', 'encoding_format'])

/** A gap for every member that is given and not in `carried`. */
export function memberGaps(body: JsonObject, carried: ReadonlySet<string>): readonly Gap[] {
  return Object.keys(body)
    .filter((field) => (body[field] ?? null) !== null && !carried.has(field) && !HINTS.has(field))
    .map((field) => ({ field, reason: 'this model has no such setting' }))
}

/** A call with a JSON body. Members that are undefined are left out. */
export function jsonCall(path: string, body: JsonObject): UpstreamCall {
  return { path, headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) }
}

/** `path`, which begins with its version, below a base URL that may end with that version already. */
export function versionedPath(target: Target, version: string, path: string): string {
  return target.baseUrl.endsWith(`/${version}`) ? path : `/${version}${path}`
}
