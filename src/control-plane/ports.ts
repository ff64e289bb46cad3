// What the control plane needs from the platform around it, as narrow as it uses it.
import type { Target } from '../core/directory.ts'
import type { GatewayEnv } from '../env.ts'
import type { Caller } from './access/caller.ts'
import type { SeenRow } from './store.ts'

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
  /** Calls the target once, with its credential: for a token, or where `path` is given for what stands there. May throw: that
   *  counts as a failed probe. */
  readonly probe: (target: Target, env: GatewayEnv, path?: string) => Promise<ProbeResult>
  /** Service bindings that `service://NAME/…` may name. */
  readonly services: readonly string[]
  readonly nowMs: () => number
  /** Cryptographically secure. */
  readonly randomBytes: (count: number) => Uint8Array
  /** Asks a provider of sign-in for its keys and its word. */
  readonly fetch: (url: string, init?: RequestInit) => Promise<Response>
}

/** The types of every admin sub-app. */
export interface AdminTypes {
  Bindings: GatewayEnv
  Variables: { caller: Caller; seen?: SeenRow }
}
