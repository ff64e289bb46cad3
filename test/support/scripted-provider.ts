// What a provider answers, as responses: OpenAI's wire, whole and streamed, and every way to fail.
import type { UpstreamClass } from '../../src/core/failure.ts'
import { contentEvent, endEvents } from './raw-provider.ts'
import type { SentCall } from './path-world.ts'

const encoder = new TextEncoder()

/** Headers that a provider sends and no client is to see. */
export const PROVIDER_HEADERS = {
  'x-request-id': 'req-of-the-provider',
  'openai-organization': 'org-of-the-gateway',
  'x-ratelimit-remaining-tokens': '1',
  'set-cookie': 'session=of-the-gateway',
  server: 'cloudflare',
}

/** A reply that says `text`: streamed or whole, as was asked. */
export function says(call: SentCall, text = 'Hello.', finish = 'stop'): Response {
  return isStreamed(call)
    ? streamed(call, [contentEvent(text), ending(finish)])
    : Response.json(whole(text, finish), { headers: PROVIDER_HEADERS })
}

/** The end of a stream, for this reason. */
export function ending(finish = 'stop'): string {
  return endEvents(10, 5).replace('"stop"', JSON.stringify(finish))
}

/** A whole reply. */
export function whole(text: string, finish = 'stop'): object {
  const message = { role: 'assistant', content: text }
  return {
    id: 'chatcmpl-provider',
    object: 'chat.completion',
    created: 1,
    model: 'raw',
    choices: [{ index: 0, message, finish_reason: finish }],
    usage: { prompt_tokens: 10, completion_tokens: 5, total_tokens: 15 },
  }
}

export function isStreamed(call: SentCall): boolean {
  return call.text.includes('"stream":true')
}

/** A stream of these pieces; then it ends, breaks, or says no more. A call that is aborted breaks at once. */
export function streamed(
  call: SentCall,
  pieces: readonly string[],
  then: 'ends' | 'breaks' | 'hangs' = 'ends',
): Response {
  const left = [...pieces]
  const body = new ReadableStream<Uint8Array>({
    start(controller) {
      call.signal.addEventListener('abort', () => controller.error(call.signal.reason))
    },
    async pull(controller) {
      const piece = left.shift()
      if (piece !== undefined) controller.enqueue(encoder.encode(piece))
      else if (then === 'ends') controller.close()
      else if (then === 'breaks') controller.error(new Error('connection reset'))
      else await new Promise(() => undefined)
    },
  })
  return new Response(body, { headers: { 'content-type': 'text/event-stream', ...PROVIDER_HEADERS } })
}

/** Never answers; rejects when it is aborted. */
export function silence(call: SentCall): Promise<Response> {
  return new Promise((_, reject) => {
    call.signal.addEventListener('abort', () => reject(new Error('aborted')))
  })
}

const STATUSES: Partial<Readonly<Record<UpstreamClass, number>>> = {
  server: 500,
  overloaded: 503,
  throttled: 429,
  credential: 401,
  incapable: 501,
  client: 400,
}

/** Fails as this class does. */
export function fails(call: SentCall, upstream: UpstreamClass): Response | Promise<Response> {
  const status = STATUSES[upstream]
  if (status !== undefined) {
    const error = { message: `Failed with ${status}.`, type: 'error', param: null, code: null }
    return Response.json({ error }, { status, headers: PROVIDER_HEADERS })
  }
  if (upstream === 'connection') return Promise.reject(new Error('connection refused'))
  if (upstream === 'timeout') return silence(call)
  return isStreamed(call)
    ? streamed(call, [': hello\n\n'], 'breaks')
    : new Response('{"choices":', { headers: PROVIDER_HEADERS })
}
