// Reads an answer that was asked for in one piece. Some servers stream whether one asks for it or not: then the stream is
// read to its end, and the reply is what it comes to.
import type { Target } from '../../core/directory.ts'
import { parseJson } from '../../core/json.ts'
import type { NeutralEvent } from '../../core/neutral.ts'
import type { Dialect } from '../../dialects/dialect.ts'
import { framerFor } from '../framing/index.ts'

/** What the answer says; null for text that is neither a reply nor a stream of one. */
export function readWhole(
  dialect: Dialect,
  target: Target,
  text: string,
  contentType: string | null,
): readonly NeutralEvent[] | null {
  const body = parseJson(text)
  if (body !== undefined) return dialect.read(body, target)
  const framer = framerFor(dialect, target, contentType)
  const reader = dialect.reader(target)
  const frames = [...framer.push(new TextEncoder().encode(text)), ...framer.end()]
  const events = [...frames.flatMap((frame) => reader.push(frame)), ...reader.end()]
  const isStream = events.some((event) => 'choice' in event)
  const isCut = events.some((event) => event.type === 'failure' && event.failure.class === 'stream')
  return isStream && !isCut ? events : null
}
