// Which dialect can do which task, one line a task. Membership is coverage: the contract suite runs over this list.
import type { Target, TaskName } from '../../core/directory.ts'
import type { TaskCodec, TaskCodecs } from './codec.ts'
import { embeddingsCodecs } from './embeddings.ts'
import { likeOpenai, nativeCodec } from './native.ts'
import { rerankCodecs } from './rerank.ts'

export const taskCodecs: Readonly<Record<TaskName, TaskCodecs>> = {
  embeddings: embeddingsCodecs,
  rerank: rerankCodecs,
  moderations: likeOpenai(nativeCodec('/moderations')),
  images: likeOpenai(nativeCodec('/images/generations')),
  'image-edits': likeOpenai(nativeCodec('/images/edits')),
  speech: likeOpenai(nativeCodec('/audio/speech')),
  transcriptions: likeOpenai(nativeCodec('/audio/transcriptions')),
  translations: likeOpenai(nativeCodec('/audio/translations')),
}

/** How `target` does a task; null when it can't. */
export function taskCodec(task: TaskName, target: Target): TaskCodec | null {
  return taskCodecs[task][target.dialect] ?? null
}
