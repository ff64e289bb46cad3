// The call that a target must answer before it is accepted, so that a typing error can't become an outage.
import { findProvider } from '../../catalog/providers.ts'
import type { Target } from '../../core/directory.ts'
import type { GatewayEnv } from '../../env.ts'
import { type CredentialRow, callable } from '../credentials/credential-record.ts'
import type { AdminPorts, ProbeResult } from '../ports.ts'
import { unacceptable, type Refusal } from '../http/refusal.ts'

/** Calls a target once. A target that passes every model on is called with `probeModel`, or a cheap one of its provider.
 *  A probe that throws has failed. Null: there is no model to call it with. `declared`: credentials that are made with it. */
export async function probeTarget(
  target: Target,
  probeModel: string | undefined,
  env: GatewayEnv,
  ports: AdminPorts,
  declared?: ReadonlyMap<string, CredentialRow>,
): Promise<ProbeResult | null> {
  const model = probeModel ?? (target.model === '*' ? findProvider(target.provider)?.probeModel : target.model)
  if (model === null || model === undefined) return null
  const startedAtMs = ports.nowMs()
  try {
    return await probeEach(await callable({ ...target, model }, env.DB, declared), env, ports)
  } catch (error) {
    const saw = error instanceof Error ? error.message : String(error)
    return { ok: false, status: 0, latencyMs: ports.nowMs() - startedAtMs, saw }
  }
}

/** Of several credentials each has to be accepted; what is told is of the first that isn't, else of the last. */
async function probeEach(target: Target, env: GatewayEnv, ports: AdminPorts): Promise<ProbeResult> {
  if (target.credentials === undefined) return ports.probe(target, env)
  let result: ProbeResult | null = null
  for (const credential of target.credentials) {
    result = await ports.probe({ ...target, credential }, env)
    if (!result.ok) return { ...result, saw: `${result.saw} (with ${credential})` }
  }
  return result ?? ports.probe(target, env)
}

/** Why a target is not accepted: what the probe saw, and how to insist. */
export function probeRefusal(result: ProbeResult): Refusal {
  const answer =
    result.status === 0 ? 'The target could not be reached' : `The target answered with status ${result.status}`
  const message = `${answer}: ${result.saw} (Send "force": true to accept it all the same.)`
  return { status: 422, code: 'probe_failed', field: result.field ?? suspect(result.status), message }
}

export const NO_PROBE_MODEL: Refusal = unacceptable(
  'probe_model',
  'invalid_field',
  'probe_model must name a model to call the target with, since model is "*" (or send "force": true).',
)

/** What the API shows of a probe. */
export function viewProbe(result: ProbeResult) {
  return { ok: result.ok, status: result.status, latency_ms: result.latencyMs, saw: result.saw }
}

function suspect(status: number): string | null {
  if (status === 0) return 'base_url'
  if (status === 401 || status === 403) return 'credential'
  return status === 404 ? 'model' : null
}
