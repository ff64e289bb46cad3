// What the control plane needs from the platform around it, as narrow as it uses it.
import type { Target } from '../core/directory.ts'
import type { GatewayEnv } from '../env.ts'

/** What one call to a target showed. */
export interface ProbeResult {
  readonly ok: boolean
  /** HTTP status; 0 when there was no answer. */
  readonly status: number
  readonly latencyMs: number
  /** In words: the model's answer, the provider's message, or the connection's error. */
  readonly saw: string
  /** The field that it must be, where the probe knows. */
  readonly field?: string
}

export interface AdminPorts {
  /** Calls the target once, with its credential. May throw: that counts as a failed probe. */
  readonly probe: (target: Target, env: GatewayEnv) => Promise<ProbeResult>
  /** Service bindings that `service://NAME/…` may name. */
  readonly services: readonly string[]
  readonly nowMs: () => number
  /** Cryptographically secure. */
  readonly randomBytes: (count: number) => Uint8Array
}

/** The types of every admin sub-app. */
export interface AdminTypes {
  Bindings: GatewayEnv
}
