// Streams of text as each provider sends them, as long as wanted: what the codec bench reads.
const WORDS = ['The', ' tide', ' rises', ' twice', ' a', ' day', ',', ' most', ' days', '.']

const encoder = new TextEncoder()

function lines(count: number, line: (text: string, index: number) => string): string {
  let text = ''
  for (let index = 0; index < count; index++) text += line(WORDS[index % WORDS.length] ?? '', index)
  return text
}

const data = (value: unknown): string => `data: ${JSON.stringify(value)}\n\n`
const event = (name: string, value: object): string => `event: ${name}\n${data({ type: name, ...value })}`

function chat(count: number): string {
  const chunk = (delta: object, finish: string | null = null): string =>
    data({
      id: 'chatcmpl-tide',
      object: 'chat.completion.chunk',
      created: 1_760_000_000,
      model: 'lighthouse-2',
      choices: [{ index: 0, delta, logprobs: null, finish_reason: finish }],
    })
  const usage = { prompt_tokens: 20, completion_tokens: count, total_tokens: count + 20 }
  return (
    chunk({ role: 'assistant', content: '' }) +
    lines(count, (content) => chunk({ content })) +
    chunk({}, 'stop') +
    data({ id: 'chatcmpl-tide', object: 'chat.completion.chunk', choices: [], usage }) +
    'data: [DONE]\n\n'
  )
}

function completions(count: number): string {
  const head = { id: 'cmpl-tide', object: 'text_completion', created: 1_760_000_000, model: 'lighthouse-2' }
  const chunk = (text: string, finish: string | null = null): string =>
    data({ ...head, choices: [{ index: 0, text, logprobs: null, finish_reason: finish }] })
  return `${lines(count, (text) => chunk(text))}${chunk('', 'stop')}data: [DONE]\n\n`
}

function messages(count: number): string {
  const message = {
    id: 'msg_tide',
    type: 'message',
    role: 'assistant',
    model: 'lighthouse-2',
    content: [],
    stop_reason: null,
    usage: { input_tokens: 20, output_tokens: 1 },
  }
  return (
    event('message_start', { message }) +
    event('content_block_start', { index: 0, content_block: { type: 'text', text: '' } }) +
    lines(count, (text) => event('content_block_delta', { index: 0, delta: { type: 'text_delta', text } })) +
    event('content_block_stop', { index: 0 }) +
    event('message_delta', { delta: { stop_reason: 'end_turn' }, usage: { output_tokens: count } }) +
    event('message_stop', {})
  )
}

function responses(count: number): string {
  const usage = { input_tokens: 20, output_tokens: count, total_tokens: count + 20 }
  const item = { id: 'msg_tide', type: 'message', role: 'assistant', status: 'in_progress', content: [] }
  const response = { id: 'resp_tide', object: 'response', created_at: 1_760_000_000, model: 'lighthouse-2', output: [] }
  const at = { item_id: 'msg_tide', output_index: 0, content_index: 0 }
  return (
    event('response.created', { sequence_number: 0, response: { ...response, status: 'in_progress' } }) +
    event('response.output_item.added', { sequence_number: 1, output_index: 0, item }) +
    event('response.content_part.added', { sequence_number: 2, ...at, part: { type: 'output_text', text: '' } }) +
    lines(count, (delta, index) =>
      event('response.output_text.delta', { sequence_number: index + 3, ...at, delta, logprobs: [] }),
    ) +
    event('response.completed', { sequence_number: count + 3, response: { ...response, status: 'completed', usage } })
  )
}

function gemini(count: number): string {
  const usageMetadata = { promptTokenCount: 20, candidatesTokenCount: count, totalTokenCount: count + 20 }
  const chunk = (text: string, more: object): string =>
    `data: ${JSON.stringify({
      candidates: [{ content: { parts: [{ text }], role: 'model' }, index: 0, ...more }],
      usageMetadata,
      modelVersion: 'lighthouse-2',
      responseId: 'tide',
    })}\r\n\r\n`
  return lines(count, (text) => chunk(text, {})) + chunk('', { finishReason: 'STOP' })
}

function ollama(count: number): string {
  const head = { model: 'lighthouse-2', created_at: '2026-01-01T00:00:00Z' }
  const line = (value: object): string => `${JSON.stringify({ ...head, ...value })}\n`
  return (
    lines(count, (content) => line({ message: { role: 'assistant', content }, done: false })) +
    line({
      message: { role: 'assistant', content: '' },
      done: true,
      done_reason: 'stop',
      prompt_eval_count: 20,
      eval_count: count,
    })
  )
}

function cohere(count: number): string {
  const delta = (text: string): string =>
    event('content-delta', { index: 0, delta: { message: { content: { text } } } })
  const tokens = { input_tokens: 20, output_tokens: count }
  return (
    event('message-start', { id: 'tide', delta: { message: { role: 'assistant', content: [] } } }) +
    event('content-start', { index: 0, delta: { message: { content: { type: 'text', text: '' } } } }) +
    lines(count, delta) +
    event('content-end', { index: 0 }) +
    event('message-end', { delta: { finish_reason: 'COMPLETE', usage: { tokens } } }) +
    'data: [DONE]\n\n'
  )
}

/** By dialect; none for wires that no text makes (binary ones). */
export const STREAMS: Readonly<Record<string, (deltas: number) => Uint8Array>> = {
  'openai-chat': (count) => encoder.encode(chat(count)),
  'openai-completions': (count) => encoder.encode(completions(count)),
  'openai-responses': (count) => encoder.encode(responses(count)),
  'anthropic-messages': (count) => encoder.encode(messages(count)),
  gemini: (count) => encoder.encode(gemini(count)),
  ollama: (count) => encoder.encode(ollama(count)),
  cohere: (count) => encoder.encode(cohere(count)),
}
