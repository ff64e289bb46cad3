// The admin API as the command line asks it: address and token from the environment. A token is sent, and never printed.
import * as z from 'zod/mini'
import { Problem } from '../problem.ts'

const LOCAL_URL = 'http://localhost:8787'
const DEADLINE_MS = 300_000

const PROBLEM = z.object({
  field: z.nullable(z.string()),
  code: z.string(),
  message: z.string(),
})
const CHANGE = z.object({
  action: z.enum(['create', 'update', 'delete']),
  section: z.string(),
  name: z.string(),
  fields: z.array(z.object({ field: z.string(), before: z.optional(z.unknown()), after: z.optional(z.unknown()) })),
})
const PROBED = z.object({
  target: z.string(),
  ok: z.boolean(),
  status: z.number(),
  latency_ms: z.number(),
  saw: z.string(),
})
const ANSWER = z.object({
  revision: z.optional(z.number()),
  changes: z.optional(z.nullable(z.array(CHANGE))),
  probes: z.optional(z.array(PROBED)),
  problems: z.optional(z.array(PROBLEM)),
  keys: z.optional(z.array(z.object({ tenant: z.string(), name: z.string(), id: z.string(), key: z.string() }))),
  warnings: z.optional(z.array(z.string())),
  left: z.optional(z.array(z.string())),
  watch: z.optional(z.nullable(z.looseObject({}))),
  is_published: z.optional(z.boolean()),
  document: z.optional(z.looseObject({})),
  rows: z.optional(z.array(z.looseObject({}))),
  next: z.optional(z.nullable(z.string())),
  error: z.optional(PROBLEM),
})

/** What the admin API answers, as far as it is looked at. */
export type Answer = z.infer<typeof ANSWER>
export type Change = z.infer<typeof CHANGE>
export type Finding = z.infer<typeof PROBLEM>

/** Asks the admin API. */
export type AskAdmin = (method: string, path: string, body?: unknown) => Promise<{ status: number; answer: Answer }>

/** The admin API at `TIDEGATE_URL`, asked with `TIDEGATE_TOKEN`. */
export function adminClient(env: Readonly<Record<string, string | undefined>>): AskAdmin {
  const token = env.TIDEGATE_TOKEN ?? ''
  const base = URL.parse(env.TIDEGATE_URL ?? LOCAL_URL)
  if (base === null) throw new Problem('TIDEGATE_URL must be a URL such as https://tidegate.example.workers.dev.')
  if (token === '') throw new Problem('Set TIDEGATE_TOKEN to the admin token, or to an API token.')
  return async (method, path, body) => {
    const response = await fetch(new URL(`/admin${path}`, base), {
      method,
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
      signal: AbortSignal.timeout(DEADLINE_MS),
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    }).catch((error: unknown) => {
      throw new Problem(`${base.origin} can't be reached (${error instanceof Error ? error.message : String(error)}).`)
    })
    const read = ANSWER.safeParse(await response.json().catch(() => null))
    if (!read.success) throw new Problem(`${base.origin} answered ${response.status}, and not as a gateway does.`)
    return { status: response.status, answer: read.data }
  }
}
