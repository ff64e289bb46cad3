// Pictures, made from words or from other pictures. The reply, megabytes of base64 or a stream of partial pictures, goes to the
// client as it comes. https://platform.openai.com/docs/api-reference/images (read 2026-11-21)
import { failChat, failChatInStream } from '../chat/failure.ts'
import type { Task } from '../task.ts'
import { type TaskNeeds, requireText, taskFacts, textsOf } from './task-facts.ts'

export const images: Task = {
  name: 'images',
  endpoint: '/v1/images/generations',
  accepts: 'json',
  isRelayed: true,
  facts: factsOfPicture,
  fail: failChat,
  failInStream: failChatInStream,
}

export const imageEdits: Task = {
  name: 'image-edits',
  endpoint: '/v1/images/edits',
  accepts: 'multipart',
  isRelayed: true,
  // Its prompt may come behind the pictures, when they are long under way.
  facts(body) {
    const invalid = requireText(body, 'model')
    return taskFacts(body, invalid, { ...needsOf(body), isForm: true })
  },
  fail: failChat,
  failInStream: failChatInStream,
}

function factsOfPicture(body: Parameters<Task['facts']>[0]): ReturnType<Task['facts']> {
  const invalid = requireText(body, 'model') ?? requireText(body, 'prompt')
  return taskFacts(body, invalid, needsOf(body))
}

function needsOf(body: Parameters<Task['facts']>[0]): TaskNeeds {
  return { texts: () => textsOf(body['prompt']), maxOutputTokens: null, units: { images: Number(body['n'] ?? 1) } }
}
