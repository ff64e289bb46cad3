// Where each task is set, as it says itself: for the routing of requests, which has to know before the tasks are loaded.
import type { TaskName } from '../../core/directory.ts'

export const TASK_ENDPOINTS: Readonly<Record<TaskName, string>> = {
  embeddings: '/v1/embeddings',
  rerank: '/v1/rerank',
  moderations: '/v1/moderations',
  images: '/v1/images/generations',
  'image-edits': '/v1/images/edits',
  speech: '/v1/audio/speech',
  transcriptions: '/v1/audio/transcriptions',
  translations: '/v1/audio/translations',
}
