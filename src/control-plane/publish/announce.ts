// The step after every change: publishing it. Separate so that every resource treats a failure alike: the change stands,
// the caller is told that it isn't in effect everywhere yet, and how to put that right.
import type { Refusal } from '../http/refusal.ts'

/** Publishes a change that is already committed, every part of it whatever happens to the others; says so if one fails. */
export async function announce(...publications: readonly (() => Promise<void>)[]): Promise<Refusal | null> {
  const outcomes = await Promise.allSettled(publications.map((publish) => publish()))
  const failed = outcomes.filter((outcome) => outcome.status === 'rejected')
  if (failed.length === 0) return null
  const reasons = failed.map((outcome) => String(outcome.reason))
  console.error(JSON.stringify({ event: 'publish-failed', reasons }))
  const message = 'The change is stored but not yet in effect everywhere: POST /admin/publish publishes it again.'
  return { status: 503, code: 'publish_failed', field: null, message }
}
