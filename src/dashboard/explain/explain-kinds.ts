// What may be explained: the kinds of requests, for a list to choose from.

/** What a body may be: by the name that the gateway has for it. */
export const KINDS: readonly { readonly value: string; readonly text: string }[] = [
  { value: '', text: 'Guess by the body' },
  { value: 'chat', text: 'Chat completions' },
  { value: 'responses', text: 'Responses' },
  { value: 'messages', text: 'Messages' },
  { value: 'completions', text: 'Completions (legacy)' },
  { value: 'embeddings', text: 'Embeddings' },
  { value: 'rerank', text: 'Rerank' },
  { value: 'moderations', text: 'Moderations' },
  { value: 'images', text: 'Images: generations' },
  { value: 'image-edits', text: 'Images: edits' },
  { value: 'speech', text: 'Audio: speech' },
  { value: 'transcriptions', text: 'Audio: transcriptions' },
  { value: 'translations', text: 'Audio: translations' },
]
/** Any path below a provider's name. */
export const PASSED = { value: 'passed', text: 'Passed through to a provider' }
