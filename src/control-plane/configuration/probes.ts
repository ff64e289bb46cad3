// Calls every target once that a document has called otherwise than before, as registering it does. What doesn't answer is a
// problem of the document, unless it insists.
import { readCompiled } from '../publish/publish.ts'
import type { ProbeResult } from '../ports.ts'
import { NO_PROBE_MODEL, probeRefusal, probeTarget, viewProbe } from '../targets/probe-target.ts'
import type { Declaring, ToProbe } from './declaring.ts'

/** Targets that one document may have called. */
const PROBES_MAX = 100
const AT_ONCE = 5

/** What was seen of one target. */
export interface Probed {
  readonly target: string
  readonly ok: boolean
  readonly status: number
  readonly latency_ms: number
  readonly saw: string
}

/** Probes what has to be probed, and notes what was seen with its target. */
export async function probeDeclared(declaring: Declaring, force: boolean): Promise<readonly Probed[]> {
  const { toProbe } = declaring
  if (toProbe.length > PROBES_MAX) {
    const message = `${toProbe.length} targets would have to be called; ${PROBES_MAX} may be at once: apply the document in parts.`
    declaring.problems.push({ field: 'targets', code: 'too_many', message })
    return []
  }
  const all: Probed[] = []
  for (let start = 0; start < toProbe.length; start += AT_ONCE) {
    const group = toProbe.slice(start, start + AT_ONCE)
    const results = await Promise.all(group.map((one) => probe(declaring, one)))
    for (const [at, result] of results.entries()) {
      const one = group[at]
      if (one === undefined) continue
      note(declaring, one, result, force)
      if (result !== null) all.push({ target: one.id, ...viewProbe(result) })
    }
  }
  return all
}

async function probe(declaring: Declaring, { id, probeModel }: ToProbe): Promise<ProbeResult | null> {
  const row = declaring.draft.targets.get(id)
  const { env, ports } = declaring.context
  return row === undefined ? null : probeTarget(readCompiled(row), probeModel, env, ports, declaring.draft.credentials)
}

function note(
  declaring: Declaring,
  { id, at, renamed, isForced }: ToProbe,
  result: ProbeResult | null,
  force: boolean,
): void {
  const row = declaring.draft.targets.get(id)
  if (row !== undefined && result !== null) {
    declaring.draft.targets.set(id, { ...row, probe: JSON.stringify(result) })
  }
  if (result?.ok === true || isForced || force) return
  declaring.refuse(at, result === null ? NO_PROBE_MODEL : probeRefusal(result), renamed)
}
