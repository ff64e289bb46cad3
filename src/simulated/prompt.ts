// Reads the text out of messages, whichever of the two wires they are on: a string, or a list of parts that carry text,
// images, tool calls and tool results. Pure.
import { isJsonObject, type Json, type JsonObject } from '../core/json.ts'

/** What a conversation says. */
export interface Prompt {
  readonly text: string
  readonly lastUserText: string
  readonly images: number
  readonly messages: number
  /** Whether the last turn answers a tool call: then it is time for words. */
  readonly endsWithToolResult: boolean
  /** The beginning of the reply, where the model is to go on with one; empty for none. */
  readonly continues: string
}

/** Nested deeper than this, content is no longer looked at. */
const DEPTH_MAX = 8
/** What a model is told that is to go on with what it said. */
const GO_ON = /^Your last message was cut off\b/

/** Reads the conversation; `preface` is text that counts though it is no message (a system text, tools). */
export function readPrompt(messages: readonly JsonObject[], preface: string): Prompt {
  const begun = beginningOf(messages)
  if (begun !== '') {
    const asked = messages.slice(0, messages.findLastIndex(isModels))
    return { ...readPrompt(asked, preface), continues: begun }
  }
  const texts = messages.map((message) => textOf(message['content'], 0) + callsOf(message['tool_calls']))
  const lastUser = messages.findLast((message) => message['role'] === 'user' && textIn(message['content']) !== '')
  const last = messages.at(-1)
  return {
    text: [preface, ...texts].filter((text) => text !== '').join('\n'),
    lastUserText: lastUser ? textIn(lastUser['content']) : '',
    images: messages.reduce((sum, message) => sum + imagesIn(message['content'], 0), 0),
    messages: messages.length,
    continues: '',
    endsWithToolResult: last?.['role'] === 'tool' || hasToolResult(last?.['content']),
  }
}

/** What the model has said already: its own turn stands at the end, or before the instruction to go on with it. */
function beginningOf(messages: readonly JsonObject[]): string {
  const last = messages.at(-1)
  const isTold = last?.['role'] === 'user' && GO_ON.test(textIn(last['content']))
  const turn = isTold ? messages.at(-2) : last
  return turn !== undefined && isModels(turn) ? textIn(turn['content']) : ''
}

function isModels({ role }: JsonObject): boolean {
  return role === 'assistant' || role === 'model'
}

/** The words in a content, tool traffic left out. */
export function textIn(content: Json | undefined): string {
  if (typeof content === 'string') return content
  if (!Array.isArray(content)) return ''
  const texts = content.map((part) => (isJsonObject(part) && typeof part['text'] === 'string' ? part['text'] : ''))
  return texts.filter((text) => text !== '').join('\n')
}

function textOf(content: Json | undefined, depth: number): string {
  if (typeof content === 'string') return content
  if (!Array.isArray(content) || depth > DEPTH_MAX) return ''
  return content.map((part) => (isJsonObject(part) ? partText(part, depth) : '')).join('\n')
}

function partText(part: JsonObject, depth: number): string {
  if (typeof part['text'] === 'string') return part['text']
  if (part['type'] === 'tool_use') return JSON.stringify(part['input'] ?? {})
  return part['content'] === undefined ? '' : textOf(part['content'], depth + 1)
}

function callsOf(calls: Json | undefined): string {
  return Array.isArray(calls) && calls.length > 0 ? JSON.stringify(calls) : ''
}

function imagesIn(content: Json | undefined, depth: number): number {
  if (!Array.isArray(content) || depth > DEPTH_MAX) return 0
  let images = 0
  for (const part of content) {
    if (!isJsonObject(part)) continue
    images += part['type'] === 'image' || part['type'] === 'image_url' ? 1 : imagesIn(part['content'], depth + 1)
  }
  return images
}

function hasToolResult(content: Json | undefined): boolean {
  return Array.isArray(content) && content.some((part) => isJsonObject(part) && part['type'] === 'tool_result')
}
