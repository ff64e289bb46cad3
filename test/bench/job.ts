// What the bench's processes say to each other. Everything is checked on arrival, so that a change on one side cannot
// quietly become a wrong figure on the other.
import * as z from 'zod/mini'

/** One piece of load: the same request over and over, by `concurrency` clients that each wait for the answer. */
export const JOB = z.object({
  url: z.string(),
  headers: z.record(z.string(), z.string()),
  body: z.string(),
  concurrency: z.number(),
  seconds: z.number(),
  /** What a whole answer holds: `text`, exactly `times`. The first of them is the first content. */
  content: z.object({ text: z.string(), times: z.number() }),
  /** What a whole answer ends with, white space aside. */
  end: z.string(),
})
export type Job = z.infer<typeof JOB>

const SPREAD = z.object({ p50: z.number(), p95: z.number(), p99: z.number() })
export type Spread = z.infer<typeof SPREAD>

/** What came of a job. Times in ms. */
export const LOAD = z.object({
  requests: z.number(),
  failures: z.number(),
  /** What was wrong with the first failure. */
  firstFailure: z.nullable(z.string()),
  seconds: z.number(),
  /** From the request's first byte to the answer's last. */
  whole: SPREAD,
  /** From the request's first byte to the answer's first content. */
  content: SPREAD,
})
export type Load = z.infer<typeof LOAD>

/** A child process that serves: where, and what a request to it needs. */
export const READY = z.object({
  url: z.string(),
  headers: z.record(z.string(), z.string()),
})
export type Ready = z.infer<typeof READY>

/** Sends a message to the process that started this one. Throws where there is none: these files are started by main.ts. */
export function tellParent(message: Ready | Load): void {
  if (process.send === undefined) throw new Error('start this through main.ts')
  process.send(message)
}

/** Ends this process with its parent, however that ends. */
export function endWithParent(dispose: () => Promise<void> = async () => {}): void {
  const end = (): void => void dispose().finally(() => process.exit(0))
  process.once('disconnect', end)
  process.once('SIGTERM', end)
  process.once('SIGINT', () => undefined)
}
