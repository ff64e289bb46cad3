// The call that shows whether a target lives, made by its breaker's alarm while nobody waits for it: its list of models, or
// one token. Whatever the provider says of the call itself, an answer is a sign of life.
import { findProvider } from '../catalog/providers.ts'
import { type Outcome, outcomeOf } from '../core/health/breaker.ts'
import type { Target } from '../core/directory.ts'
import type { UpstreamClass } from '../core/failure.ts'
import { limitedText } from '../data-plane/call-upstream.ts'
import { dialects } from '../dialects/index.ts'
import type { Dialect } from '../dialects/dialect.ts'
import type { GatewayEnv } from '../env.ts'
import type { OutgoingCall } from '../ports.ts'
import { fetchUpstream } from './upstream.ts'

const TIMEOUT_MS = 10_000
const ERROR_BYTES_MAX = 65_536

/** How a call shows that `target` is. What can't be found out for a reason of ours is ignored. Never rejects. */
export async function checkTarget(target: Target, env: GatewayEnv): Promise<Outcome> {
  const signal = AbortSignal.timeout(TIMEOUT_MS)
  try {
    const dialect = await dialects.of(target.dialect).load()
    const { call, asked } = callOf(target, dialect)
    const response = await fetchUpstream({ ...env }).call(asked, call, dialect.name, signal)
    if (response.ok) {
      await response.body?.cancel()
      return 'success'
    }
    const text = (await limitedText(response, ERROR_BYTES_MAX)) ?? ''
    return outcomeOf(dialect.fail(response.status, response.headers, text, Date.now()).class)
  } catch (error) {
    return outcomeOf(classOf(error, signal))
  }
}

function callOf(target: Target, dialect: Dialect): { readonly call: OutgoingCall; readonly asked: Target } {
  const model = target.model === '*' ? findProvider(target.provider)?.probeModel : target.model
  if (target.healthCheck !== 'token' || model === null || model === undefined) {
    return { call: { method: 'GET', path: '/models', headers: {}, body: '' }, asked: target }
  }
  const asked = { ...target, model }
  return { call: dialect.probe(asked), asked }
}

function classOf(error: unknown, signal: AbortSignal): UpstreamClass {
  if (signal.aborted) return 'timeout'
  const name = error instanceof Error ? error.name : ''
  return name === 'ConfigurationError' || name === 'CredentialError' ? 'credential' : 'connection'
}
