// The bytes that the mock provider sends: an answer and the parts of a stream, for each wire. Sizes are those of the
// real providers; every piece of content begins with `t`, so that the load generator can count them.

/** One wire: a whole answer, and a stream as its opening, one piece of content, and its end. */
export interface MockWire {
  readonly whole: string
  readonly opening: string
  content(index: number): string
  readonly ending: string
}

const ID = 'AbCdEfGhIjKlMnOpQrStUvWxYz012'
const TEXT = 'the quick brown fox jumps over the lazy dog. '.repeat(4).trim()

function sse(event: string | null, data: object | string): string {
  const json = typeof data === 'string' ? data : JSON.stringify(data)
  return event === null ? `data: ${json}\n\n` : `event: ${event}\ndata: ${json}\n\n`
}

const CHAT = { id: `chatcmpl-${ID}`, created: 1_760_000_000, model: 'mock', system_fingerprint: 'fp_0123456789' }
const CHAT_CHUNK = { ...CHAT, object: 'chat.completion.chunk', service_tier: 'default' }

function chatChunk(delta: object, finish: string | null): string {
  return sse(null, { ...CHAT_CHUNK, choices: [{ index: 0, delta, logprobs: null, finish_reason: finish }] })
}

/** `POST …/chat/completions`. */
export const OPENAI: MockWire = {
  whole: JSON.stringify({
    ...CHAT,
    object: 'chat.completion',
    choices: [{ index: 0, message: { role: 'assistant', content: TEXT, refusal: null }, finish_reason: 'stop' }],
    usage: {
      prompt_tokens: 19,
      completion_tokens: 41,
      total_tokens: 60,
      prompt_tokens_details: { cached_tokens: 0, audio_tokens: 0 },
      completion_tokens_details: { reasoning_tokens: 0 },
    },
  }),
  opening: chatChunk({ role: 'assistant', content: '' }, null),
  content: (index) => chatChunk({ content: `t${index} ` }, null),
  ending:
    chatChunk({}, 'stop') +
    sse(null, {
      ...CHAT_CHUNK,
      choices: [],
      usage: { prompt_tokens: 19, completion_tokens: 100, total_tokens: 119 },
    }) +
    sse(null, '[DONE]'),
}

const MESSAGE = { id: `msg_${ID}`, type: 'message', role: 'assistant', model: 'mock' }
const INPUT = { input_tokens: 19, cache_creation_input_tokens: 0, cache_read_input_tokens: 0 }

/** `POST …/messages`. */
export const ANTHROPIC: MockWire = {
  whole: JSON.stringify({
    ...MESSAGE,
    content: [{ type: 'text', text: TEXT }],
    stop_reason: 'end_turn',
    stop_sequence: null,
    usage: { ...INPUT, output_tokens: 41 },
  }),
  opening:
    sse('message_start', {
      type: 'message_start',
      message: {
        ...MESSAGE,
        content: [],
        stop_reason: null,
        stop_sequence: null,
        usage: { ...INPUT, output_tokens: 1 },
      },
    }) +
    sse('content_block_start', {
      type: 'content_block_start',
      index: 0,
      content_block: { type: 'text', text: '' },
    }) +
    sse('ping', { type: 'ping' }),
  content: (index) =>
    sse('content_block_delta', {
      type: 'content_block_delta',
      index: 0,
      delta: { type: 'text_delta', text: `t${index} ` },
    }),
  ending:
    sse('content_block_stop', { type: 'content_block_stop', index: 0 }) +
    sse('message_delta', {
      type: 'message_delta',
      delta: { stop_reason: 'end_turn', stop_sequence: null },
      usage: { output_tokens: 100 },
    }) +
    sse('message_stop', { type: 'message_stop' }),
}
