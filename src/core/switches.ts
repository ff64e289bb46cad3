// Kill switches: what an operator has taken out of service, at once and everywhere. The control plane publishes all that is
// off as one list, with the configuration's revision; whoever hears of a newer list forgets the older one. So it doesn't
// matter by which way, or how often, or in which order lists arrive.
import { modelMatches } from './directory.ts'

/** What can be switched off. */
export const SWITCH_KINDS = ['provider', 'target', 'model', 'tenant', 'key'] as const
export type SwitchKind = (typeof SWITCH_KINDS)[number]

/** Everything that is off, as of one revision of the configuration. */
export interface Switches {
  readonly revision: number
  /** Ids by kind; a kind of which nothing is off is missing. Of models exact names, or prefixes with `*` at their end. */
  readonly off: Readonly<Partial<Record<SwitchKind, readonly string[]>>>
}

/** Nothing is off, as far as anybody has heard. */
export const NO_SWITCHES: Switches = { revision: 0, off: {} }

/** Most switches that are off at once: the list travels whole. */
export const SWITCHES_MAX = 200

/** The newest list that was heard of. */
export class SwitchBoard {
  #switches: Switches = NO_SWITCHES
  #sets: Readonly<Record<SwitchKind, ReadonlySet<string>>> = setsOf(NO_SWITCHES)
  #isClear = true

  /** Of the list that is held; 0 where none was heard of. */
  get revision(): number {
    return this.#switches.revision
  }

  /** Takes a list over. One that isn't newer changes nothing. */
  take(switches: Switches): void {
    if (switches.revision <= this.#switches.revision) return
    this.#switches = switches
    this.#sets = setsOf(switches)
    this.#isClear = SWITCH_KINDS.every((kind) => this.#sets[kind].size === 0)
  }

  /** Which of them is off, of a tenant and one of its keys; null for neither. */
  ofCaller(caller: { readonly tenantId: string; readonly keyId: string }): 'tenant' | 'key' | null {
    if (this.#isClear) return null
    if (this.#sets.tenant.has(caller.tenantId)) return 'tenant'
    return this.#sets.key.has(caller.keyId) ? 'key' : null
  }

  /** What is off about a target that is asked for a model, which a target for every model passes on; null for nothing. */
  ofTarget(
    target: { readonly id: string; readonly provider: string; readonly model: string },
    requestedModel: string,
  ): 'provider' | 'target' | 'model' | null {
    if (this.#isClear) return null
    if (this.#sets.target.has(target.id)) return 'target'
    if (this.#sets.provider.has(target.provider)) return 'provider'
    return this.ofModel(target.model === '*' ? requestedModel : target.model) ? 'model' : null
  }

  /** Whether a model is off, by the name that clients or providers have for it. */
  ofModel(model: string): boolean {
    if (this.#isClear) return false
    for (const pattern of this.#sets.model) if (modelMatches(pattern, model)) return true
    return false
  }
}

function setsOf({ off }: Switches): Readonly<Record<SwitchKind, ReadonlySet<string>>> {
  const { provider, target, model, tenant, key } = off
  return {
    provider: new Set(provider),
    target: new Set(target),
    model: new Set(model),
    tenant: new Set(tenant),
    key: new Set(key),
  }
}
