// What kind of request a body is, for its explanation: what the caller says of it (`?protocol=`, `?endpoint=`), else what its
// members and its model tell. A guess says what it went by, so that nobody takes it for knowledge.
import type { ProtocolName, TaskName } from '../../core/directory.ts'
import type { InvalidRequest } from '../../core/failure.ts'
import { type Json, type JsonObject, isJsonObject } from '../../core/json.ts'
import { type Result, err, ok } from '../../core/result.ts'
import { PROTOCOL_PLACES, protocols } from '../../protocols/index.ts'
import { TASK_ENDPOINTS } from '../../protocols/tasks/endpoints.ts'
import { isJsonArray } from '../../wire/read.ts'
import { METHODS } from '../http-surface.ts'

/** Who would serve the request: a protocol, a task, or the provider that a path names. */
export type Server =
  | { readonly of: 'protocol'; readonly name: ProtocolName }
  | { readonly of: 'task'; readonly name: TaskName }
  | { readonly of: 'provider'; readonly method: string }

export interface Kind {
  readonly server: Server
  /** The path that the request would be sent to, with its query. */
  readonly endpoint: string
  /** What a guess went by; null for what was said. */
  readonly because: string | null
}

/** What can be known of a request whose kind isn't. */
export interface Unsorted {
  readonly body: JsonObject
  readonly headers: Headers
  /** Names of the models that the one asked for leads to. */
  readonly models: () => readonly string[]
}

/** The kind of a request: what `query` says, else a guess. Fails where that is no kind, and says which there are. */
export function kindOf(query: URLSearchParams, unsorted: Unsorted): Result<Kind, InvalidRequest> {
  const name = query.get('protocol')
  const endpoint = query.get('endpoint')
  if (endpoint !== null) return atEndpoint(endpoint, name, query.get('method') ?? 'POST')
  if (query.has('method')) return wrong('method', 'It goes with an `endpoint` below a provider’s name.')
  if (name !== null) {
    const server = ALL.find((one) => one.server.name === name)
    return server === undefined ? wrong('protocol', `Expected one of ${NAMES}.`) : ok({ ...server, because: null })
  }
  const { is, because } = guess(unsorted)
  const server = ALL.find((one) => one.server.name === is)
  if (server === undefined) throw new Error(`${is} is served nowhere`)
  return ok({ ...server, because })
}

type Named = Exclude<Server, { readonly of: 'provider' }>

const ALL: readonly { readonly server: Named; readonly endpoint: string }[] = [
  ...protocols.names.map((name) => {
    return { server: { of: 'protocol', name } as const, endpoint: PROTOCOL_PLACES[name].endpoint }
  }),
  ...taskNames().map((name) => ({ server: { of: 'task', name } as const, endpoint: TASK_ENDPOINTS[name] })),
]
const NAMES = ALL.map(({ server }) => `'${server.name}'`).join(', ')
const ENDPOINTS = ALL.map(({ endpoint }) => `'${endpoint}'`).join(', ')

function taskNames(): readonly TaskName[] {
  const isTask = (name: string): name is TaskName => Object.hasOwn(TASK_ENDPOINTS, name)
  return Object.keys(TASK_ENDPOINTS).filter(isTask)
}

/** Paths of our own, which no provider has. */
const OWN_PATH = /^\/(?:v1|admin|dashboard|healthz)?(?:[/?]|$)/

function atEndpoint(endpoint: string, name: string | null, method: string): Result<Kind, InvalidRequest> {
  const known = ALL.find((one) => one.endpoint === endpoint)
  if (known !== undefined) {
    if (name !== null && known.server.name !== name)
      return wrong('protocol', `That endpoint’s is '${known.server.name}'.`)
    return method === 'POST' ? ok({ ...known, because: null }) : wrong('method', 'That endpoint takes POST alone.')
  }
  if (OWN_PATH.test(endpoint) || !/^\/[\w.~-]+\//.test(endpoint) || URL.parse(endpoint, 'https://g.invalid') === null) {
    return wrong('endpoint', `Expected one of ${ENDPOINTS}, or a path below a provider’s name ('/openai/v1/files').`)
  }
  if (name !== null) return wrong('protocol', 'A path below a provider’s name has none.')
  const isMethod = METHODS.split(', ').includes(method) && method !== 'OPTIONS'
  if (!isMethod) return wrong('method', `Expected one of ${METHODS}, but for OPTIONS.`)
  return ok({ server: { of: 'provider', method }, endpoint, because: null })
}

function wrong(field: string, expected: string): Result<never, InvalidRequest> {
  return err({ kind: 'invalid-request', field, message: `Invalid query parameter '${field}'. ${expected}` })
}

interface Guess {
  readonly is: ProtocolName | TaskName
  readonly because: string
}

/** What models of some kinds are called. */
const CALLED = {
  rerank: /rerank/i,
  embeddings: /embed|minilm|(?:^|[\W_])(?:bge|e5|gte|voyage)(?:[\W_]|$)/i,
  moderations: /moderation/i,
  images: /dall-?e|gpt-image|imagen|stable-diffusion|sdxl|(?:^|[\W_])flux(?:[\W_.\d]|$)|image-gen/i,
  speech: /(?:^|[\W_])tts(?:[\W_]|$)|text-to-speech/i,
  transcriptions: /whisper|transcribe|speech-to-text/i,
} as const

/** Members that only requests for pictures have. */
const OF_PICTURES = ['size', 'quality', 'background', 'output_format', 'output_compression', 'partial_images', 'style']

function guess({ body, headers, models }: Unsorted): Guess {
  const has = (member: string): boolean => (body[member] ?? null) !== null
  const isCalled = (kind: keyof typeof CALLED): boolean => models().some((model) => CALLED[kind].test(model))
  const isAnthropics = headers.has('anthropic-version')
  if (has('messages')) {
    if (isAnthropics) return { is: 'messages', because: 'it has `messages`, and the header anthropic-version' }
    return has('system')
      ? { is: 'messages', because: 'it has `messages`, and `system` beside them' }
      : { is: 'chat', because: 'it has `messages`' }
  }
  if (has('query') && has('documents')) return { is: 'rerank', because: 'it has `query` and `documents`' }
  if (has('voice')) return { is: 'speech', because: 'it has a `voice`' }
  if (has('file')) return { is: 'transcriptions', because: 'it has a `file`' }
  if (has('image') || has('image[]')) return { is: 'image-edits', because: 'it has an `image`' }
  if (has('prompt') && !isJsonObject(body['prompt'])) {
    const picturing = OF_PICTURES.find(has)
    if (picturing !== undefined) return { is: 'images', because: `it has a \`prompt\`, and \`${picturing}\`` }
    if (isCalled('images')) return { is: 'images', because: 'it has a `prompt`, and its model makes pictures' }
    if (isCalled('transcriptions')) return { is: 'transcriptions', because: 'its model writes down what it hears' }
    return { is: 'completions', because: 'it has a `prompt`' }
  }
  if (has('input')) return byInput(body, has, isCalled)
  if (isCalled('transcriptions')) return { is: 'transcriptions', because: 'its model writes down what it hears' }
  if (isAnthropics) return { is: 'messages', because: 'it has the header anthropic-version' }
  return { is: 'chat', because: 'nothing in it tells another' }
}

/** An `input` may be anybody's. */
function byInput(
  { input }: JsonObject,
  has: (member: string) => boolean,
  isCalled: (kind: keyof typeof CALLED) => boolean,
): Guess {
  const own = ['encoding_format', 'dimensions', 'input_type'].find(has)
  if (own !== undefined) return { is: 'embeddings', because: `it has an \`input\`, and \`${own}\`` }
  if (isCalled('moderations')) return { is: 'moderations', because: 'it has an `input`, and its model moderates' }
  if (isCalled('speech')) return { is: 'speech', because: 'it has an `input`, and its model speaks' }
  if (isCalled('embeddings')) return { is: 'embeddings', because: 'it has an `input`, and its model makes vectors' }
  return isManyInputs(input)
    ? { is: 'embeddings', because: 'its `input` is a list of texts, or of tokens' }
    : { is: 'responses', because: 'it has an `input`' }
}

function isManyInputs(input: Json | undefined): boolean {
  return isJsonArray(input) && input.length > 0 && input.every((item) => !isJsonObject(item))
}
