// Every task that clients may set, one line each. Membership is coverage: the contract suite runs over this list.
import type { TaskName } from '../../core/directory.ts'
import type { Task } from '../task.ts'
import { speech, transcriptions, translations } from './audio.ts'
import { embeddings } from './embeddings.ts'
import { imageEdits, images } from './images.ts'
import { moderations } from './moderations.ts'
import { rerank } from './rerank.ts'

export const tasks: Readonly<Record<TaskName, Task>> = {
  embeddings,
  rerank,
  moderations,
  images,
  'image-edits': imageEdits,
  speech,
  transcriptions,
  translations,
}

/** The task that is set at `endpoint`, one of `TASK_ENDPOINTS`. Throws where there is none. */
export function taskAt(endpoint: string): Task {
  const task = Object.values(tasks).find((one) => one.endpoint === endpoint)
  if (task === undefined) throw new Error(`${endpoint} is no task's`)
  return task
}
