// Streams as each provider sends them, as long as wanted: what the codec bench reads. Text; and on the two most spoken
// wires, reasoning and the arguments of a call.
import type { DialectName, Target } from '../../src/core/directory.ts'
import { encodeMessage, eventMessage } from '../support/event-stream.ts'
import { TARGET } from '../support/target.ts'

const WORDS = ['The', ' tide', ' rises', ' twice', ' a', ' day', ',', ' most', ' days', '.']

const encoder = new TextEncoder()

function wordAt(index: number): string {
  return WORDS[index % WORDS.length] ?? ''
}

function lines(count: number, line: (text: string, index: number) => string): string {
  let text = ''
  for (let index = 0; index < count; index++) text += line(wordAt(index), index)
  return text
}

const data = (value: unknown): string => `data: ${JSON.stringify(value)}\n\n`
const event = (name: string, value: object): string => `event: ${name}\n${data({ type: name, ...value })}`

type Delta = (text: string) => object

/** `begun` are the deltas before the first one of text. */
function chat(count: number, delta: Delta, begun: readonly object[] = [], finish = 'stop'): string {
  const chunk = (said: object, reason: string | null = null): string =>
    data({
      id: 'chatcmpl-tide',
      object: 'chat.completion.chunk',
      created: 1_760_000_000,
      model: 'lighthouse-2',
      choices: [{ index: 0, delta: said, logprobs: null, finish_reason: reason }],
    })
  const usage = { prompt_tokens: 20, completion_tokens: count, total_tokens: count + 20 }
  return (
    [{ role: 'assistant', content: '' }, ...begun].map((said) => chunk(said)).join('') +
    lines(count, (text) => chunk(delta(text))) +
    chunk({}, finish) +
    data({ id: 'chatcmpl-tide', object: 'chat.completion.chunk', choices: [], usage }) +
    'data: [DONE]\n\n'
  )
}

function chatArguments(count: number): string {
  const call = { index: 0, id: 'call_tide', type: 'function', function: { name: 'tide_at', arguments: '' } }
  const delta: Delta = (text) => ({ tool_calls: [{ index: 0, function: { arguments: text } }] })
  return chat(count, delta, [{ tool_calls: [call] }], 'tool_calls')
}

function completions(count: number): string {
  const head = { id: 'cmpl-tide', object: 'text_completion', created: 1_760_000_000, model: 'lighthouse-2' }
  const chunk = (text: string, finish: string | null = null): string =>
    data({ ...head, choices: [{ index: 0, text, logprobs: null, finish_reason: finish }] })
  return `${lines(count, (text) => chunk(text))}${chunk('', 'stop')}data: [DONE]\n\n`
}

function messages(count: number, block: object, delta: Delta, stop = 'end_turn'): string {
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
    event('content_block_start', { index: 0, content_block: block }) +
    lines(count, (text) => event('content_block_delta', { index: 0, delta: delta(text) })) +
    event('content_block_stop', { index: 0 }) +
    event('message_delta', { delta: { stop_reason: stop }, usage: { output_tokens: count } }) +
    event('message_stop', {})
  )
}

function messagesArguments(count: number): string {
  const block = { type: 'tool_use', id: 'toolu_tide', name: 'tide_at', input: {} }
  return messages(count, block, (text) => ({ type: 'input_json_delta', partial_json: text }), 'tool_use')
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

function tgi(count: number): string {
  const details = { finish_reason: 'eos_token', generated_tokens: count, input_length: 20 }
  const token = (text: string, id: number): object => ({ id, text, logprob: -id / 7, special: false })
  return (
    lines(count, (text, index) =>
      data({ index, token: token(text, index + 100), generated_text: null, details: null }),
    ) + data({ index: count, token: { ...token('</s>', 2), special: true }, generated_text: 'The tide', details })
  )
}

/** The padding has any length. */
function workersAi(count: number): string {
  const usage = { prompt_tokens: 20, completion_tokens: count, total_tokens: count + 20 }
  const delta = (response: string, index: number): string => data({ response, p: 'abcdefghijkl'.slice(index % 12) })
  return `${lines(count, delta)}${data({ response: '', usage })}data: [DONE]\n\n`
}

function converse(count: number): Uint8Array {
  const usage = { inputTokens: 20, outputTokens: count, totalTokens: count + 20 }
  const delta = (text: string, index: number): Buffer =>
    message('contentBlockDelta', { contentBlockIndex: 0, delta: { text }, p: 'abcdefghijkl'.slice(index % 12) })
  const message = (name: string, payload: object): Buffer => encodeMessage(eventMessage(name, payload))
  return Buffer.concat([
    message('messageStart', { role: 'assistant' }),
    ...Array.from({ length: count }, (_, index) => delta(wordAt(index), index)),
    message('contentBlockStop', { contentBlockIndex: 0 }),
    message('messageStop', { stopReason: 'end_turn' }),
    message('metadata', { usage, metrics: { latencyMs: 100 } }),
  ])
}

const DECLARED: Target = {
  ...TARGET,
  dialect: 'declared',
  declared: {
    path: '/answer',
    framing: 'ndjson',
    body: { question: '$prompt' },
    reply: { text: 'out.text', finish: { at: 'state', values: { run: null, done: 'stop' } } },
  },
}

function declared(count: number): string {
  const line = (text: string, state: string): string => `${JSON.stringify({ out: { text }, state })}\n`
  return lines(count, (text) => line(text, 'run')) + line('', 'done')
}

/** A stream of as many deltas as wanted. */
export interface BenchStream {
  readonly dialect: DialectName
  readonly target: Target
  /** What its deltas are. */
  readonly says: 'text' | 'reasoning' | 'arguments'
  readonly bytes: (deltas: number) => Uint8Array
}

function textStream(
  dialect: DialectName,
  write: (deltas: number) => string,
  says: BenchStream['says'] = 'text',
): BenchStream {
  return { dialect, target: TARGET, says, bytes: (count) => encoder.encode(write(count)) }
}

/** Every dialect's, in the order in which they are measured. */
export const STREAMS: readonly BenchStream[] = [
  textStream('openai-chat', (count) => chat(count, (content) => ({ content }))),
  textStream('openai-chat', (count) => chat(count, (reasoning_content) => ({ reasoning_content })), 'reasoning'),
  textStream('openai-chat', chatArguments, 'arguments'),
  textStream('openai-completions', completions),
  textStream('openai-responses', responses),
  textStream('anthropic-messages', (count) =>
    messages(count, { type: 'text', text: '' }, (text) => ({ type: 'text_delta', text })),
  ),
  textStream(
    'anthropic-messages',
    (count) =>
      messages(count, { type: 'thinking', thinking: '', signature: '' }, (thinking) => ({
        type: 'thinking_delta',
        thinking,
      })),
    'reasoning',
  ),
  textStream('anthropic-messages', messagesArguments, 'arguments'),
  { dialect: 'bedrock-converse', target: TARGET, says: 'text', bytes: converse },
  textStream('gemini', gemini),
  textStream('cohere', cohere),
  textStream('ollama', ollama),
  textStream('tgi', tgi),
  textStream('workers-ai', workersAi),
  { ...textStream('declared', declared), target: DECLARED },
]
