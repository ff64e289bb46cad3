// Anthropic's models under Bedrock's InvokeModel: Anthropic's own wire, each event of a stream in base64 inside a message
// of the binary stream, the model in the path, Bedrock's errors
// (https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-anthropic-claude-messages.html). Pure.
import type { JsonObject } from '../core/json.ts'
import { err, type Result } from '../core/result.ts'
import { anthropic } from './anthropic.ts'
import { bedrock } from './bedrock.ts'
import { eventMessage } from './bedrock-stream.ts'
import type { Ask, Refusal, Reply, ReplyFrame, SimulatedProvider } from './provider.ts'

const CALL = /\/model\/([^/]+)\/(invoke|invoke-with-response-stream)$/

/** Bedrock, asked for a model in the model's own wire. */
export const bedrockInvoke: SimulatedProvider = { ...bedrock, read, whole: anthropic.whole, frames }

function read(body: JsonObject, url: URL): Result<Ask, Refusal> {
  const [, name, action] = CALL.exec(url.pathname) ?? []
  const extra = ['model', 'stream'].find((member) => body[member] !== undefined)
  if (extra !== undefined) return err(refuse(`extraneous key [${extra}] is not permitted`))
  if (body['anthropic_version'] !== 'bedrock-2023-05-31') return err(refuse('anthropic_version: Field required'))
  const model = decodeURIComponent(name ?? '')
  return anthropic.read({ ...body, model, stream: action === 'invoke-with-response-stream' }, url)
}

function refuse(message: string): Refusal {
  return { status: 400, message, code: null, param: null }
}

/** Without pings, which Bedrock keeps to itself. */
function* frames(reply: Reply, ask: Ask): Generator<ReplyFrame> {
  for (const frame of anthropic.frames(reply, ask)) {
    const [, event, data = ''] = /^event: (\w+)\ndata: (.*)\n\n$/s.exec(frame.text) ?? []
    if (event !== 'ping') yield { ...frame, text: eventMessage('chunk', { bytes: base64(data) }) }
  }
}

function base64(text: string): string {
  return btoa(Array.from(new TextEncoder().encode(text), (byte) => String.fromCharCode(byte)).join(''))
}
