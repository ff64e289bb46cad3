// Moderations: is this text, or picture, within bounds? https://platform.openai.com/docs/api-reference/moderations
import { failChat, failChatInStream } from '../chat/failure.ts'
import type { Task } from '../task.ts'
import { complaint, requireText, taskFacts, textsOf } from './task-facts.ts'

export const moderations: Task = {
  name: 'moderations',
  endpoint: '/v1/moderations',
  accepts: 'json',
  isRelayed: false,
  facts(body) {
    const { input } = body
    const isMissing = input === undefined || input === null
    const invalid =
      requireText(body, 'model') ?? (isMissing ? complaint('input', "Missing required parameter: 'input'.") : null)
    return taskFacts(body, invalid, { texts: () => textsOf(input), maxOutputTokens: 0 })
  },
  fail: failChat,
  failInStream: failChatInStream,
}
