// Workers AI through a binding of this Worker (`ai://NAME`), as a response like any other: no address, no credential, the
// same bodies. Its errors are exceptions; they become the envelope that its REST API would have sent.
// https://developers.cloudflare.com/workers-ai/configuration/bindings/
import { isJsonObject, parseJson } from '../core/json.ts'

/** What is needed of the binding. */
export interface AiBinding {
  run(model: string, input: Record<string, unknown>, options?: { readonly signal?: AbortSignal }): Promise<unknown>
}

/** True for what can be called like one. */
export function isAiBinding(value: unknown): value is AiBinding {
  return typeof value === 'object' && value !== null && 'run' in value && typeof value.run === 'function'
}

const RUN = '/run/'

/** Makes the call that `path` and `body` describe. Rejects where `signal` aborts. */
export async function runBinding(
  binding: AiBinding,
  path: string,
  body: string,
  signal: AbortSignal,
): Promise<Response> {
  const input = parseJson(body)
  const model = decodeURIComponent(path.slice(path.indexOf(RUN) + RUN.length))
  try {
    const result = await binding.run(model, isJsonObject(input) ? { ...input } : {}, { signal })
    if (!(result instanceof ReadableStream)) return Response.json(result)
    return new Response(result, { headers: { 'content-type': 'text/event-stream' } })
  } catch (error) {
    signal.throwIfAborted()
    return refusal(error instanceof Error ? error.message : String(error))
  }
}

/** Status by the code that a message begins with. https://developers.cloudflare.com/workers-ai/platform/errors/ */
const STATUS: Readonly<Record<string, number>> = {
  3003: 400,
  3006: 413,
  3007: 408,
  3008: 408,
  3036: 429,
  3039: 404,
  3040: 429,
  3041: 403,
  3042: 404,
  4006: 429,
  5004: 400,
  5005: 405,
  5006: 400,
  5007: 400,
  5016: 403,
  5018: 403,
  5019: 405,
  5022: 400,
}

/** "3040: Capacity temporarily exceeded, please try again." and the like. */
function refusal(text: string): Response {
  const [, code = '', message = text] = /(?:^|\s)(\d{4}): ?(.*)$/s.exec(text) ?? []
  const errors = [{ code: Number(code), message }]
  return Response.json({ result: null, success: false, errors, messages: [] }, { status: STATUS[code] ?? 500 })
}
