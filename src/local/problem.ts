// What can go wrong before the system stands, as one line that says what to do about it. Everything else is a bug and
// keeps its stack.

/** A problem that whoever typed the command can solve. The message is one line and says how. */
export class Problem extends Error {
  override readonly name = 'Problem'
}

/** The code of a failed system call, as `ENOENT`; nothing for any other error. */
export function errorCode(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined
}

/** The first line of what an error says. */
export function firstLine(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).split('\n')[0] ?? ''
}
