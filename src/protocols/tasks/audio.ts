// Sound from words and words from sound. What comes back may be sound, text, subtitles, JSON or a stream of events, and goes
// to the client as it comes. https://platform.openai.com/docs/api-reference/audio (read 2026-11-21)
import type { TaskName } from '../../core/directory.ts'
import { failChat, failChatInStream } from '../chat/failure.ts'
import type { Task } from '../task.ts'
import { requireText, taskFacts, textsOf } from './task-facts.ts'

export const speech: Task = {
  name: 'speech',
  endpoint: '/v1/audio/speech',
  accepts: 'json',
  isRelayed: true,
  facts(body) {
    const invalid = requireText(body, 'model') ?? requireText(body, 'input')
    const texts = (): readonly string[] => [...textsOf(body['input']), ...textsOf(body['instructions'])]
    const characters = textsOf(body['input']).reduce((sum, text) => sum + [...text].length, 0)
    return taskFacts(body, invalid, { texts, maxOutputTokens: null, units: { characters } })
  },
  fail: failChat,
  failInStream: failChatInStream,
}

export const transcriptions = listening('transcriptions', '/v1/audio/transcriptions')
export const translations = listening('translations', '/v1/audio/translations')

/** A form with a recording in it. How long it is nobody knows before it has been sent. */
function listening(name: TaskName, endpoint: string): Task {
  return {
    name,
    endpoint,
    accepts: 'multipart',
    isRelayed: true,
    facts(body) {
      const texts = (): readonly string[] => textsOf(body['prompt'])
      return taskFacts(body, requireText(body, 'model'), { texts, maxOutputTokens: null, isForm: true })
    },
    fail: failChat,
    failInStream: failChatInStream,
  }
}
