// Which models a local system starts with, as data: the simulated ones, and those of every provider whose credential is
// there. Anything else is added through the admin API.
import { PROVIDERS } from '../catalog/providers.ts'

/** Simulated providers refuse a call without a credential, as real ones do, and take any; `system.ts` sets it. */
export const SIMULATED_CREDENTIAL = 'SIMULATED_API_KEY'

export interface SeedTarget {
  readonly id: string
  readonly provider: string
  /** As the provider names it; `*` passes the requested name on. */
  readonly model: string
  /** Name of the secret; the provider's usual one if absent. */
  readonly credential?: string
}

export interface SeedModel {
  /** What the client writes, exact or `prefix*`. */
  readonly route: string
  readonly target: SeedTarget
}

function simulated(
  route: string,
  id: string,
  wire: 'openai' | 'anthropic' | 'gemini' | 'bedrock' | 'ollama' | 'cohere' | 'inhouse' | 'socket',
  model: string,
): SeedModel {
  return { route, target: { id, provider: `simulated-${wire}`, model, credential: SIMULATED_CREDENTIAL } }
}

const SIMULATED: readonly SeedModel[] = [
  simulated('sim-gpt-4o', 'sim-gpt-4o', 'openai', 'sim-gpt-4o'),
  simulated('sim-claude', 'sim-claude', 'anthropic', 'sim-claude'),
  simulated('sim-gemini', 'sim-gemini', 'gemini', 'sim-gemini'),
  simulated('sim-bedrock', 'sim-bedrock', 'bedrock', 'sim-bedrock'),
  simulated('sim-gpt*', 'sim-gpt-any', 'openai', '*'),
  simulated('sim-claude*', 'sim-claude-any', 'anthropic', '*'),
  simulated('sim-gemini*', 'sim-gemini-any', 'gemini', '*'),
  simulated('sim-bedrock*', 'sim-bedrock-any', 'bedrock', '*'),
  simulated('sim-llama*', 'sim-llama-any', 'ollama', '*'),
  simulated('sim-command*', 'sim-command-any', 'cohere', '*'),
  simulated('sim-inhouse*', 'sim-inhouse-any', 'inhouse', '*'),
  simulated('sim-socket*', 'sim-socket-any', 'socket', '*'),
]

interface ProviderModels {
  /** Each becomes a route of its own, with its price. */
  readonly models: readonly string[]
  /** Routes for whatever else the provider has, without a known price. */
  readonly prefixes: readonly string[]
}

const BY_PROVIDER: Readonly<Record<string, ProviderModels>> = {
  openai: { models: ['gpt-5.4', 'gpt-5.4-mini', 'gpt-4o', 'gpt-4o-mini'], prefixes: ['gpt-*', 'o1*', 'o3*', 'o4*'] },
  anthropic: { models: ['claude-sonnet-4-6', 'claude-haiku-4-5'], prefixes: ['claude-*'] },
  gemini: { models: ['gemini-2.5-pro', 'gemini-2.5-flash'], prefixes: ['gemini-*'] },
}

function modelsOf(provider: string, probeModel: string | null): SeedModel[] {
  const known = BY_PROVIDER[provider] ?? { models: probeModel === null ? [] : [probeModel], prefixes: [] }
  return [
    ...known.models.map((model) => ({ route: model, target: { id: `${provider}-${idOf(model)}`, provider, model } })),
    ...known.prefixes.map((route) => ({ route, target: { id: `${provider}-any`, provider, model: '*' } })),
  ]
}

/** A target's id may have letters, digits, dots, dashes and underscores. */
function idOf(model: string): string {
  return model.replaceAll(/[^A-Za-z0-9._-]/g, '-')
}

/** The models for a system that has these variables: a provider is there if its credential is set and not empty. */
export function seedModels(variables: Readonly<Record<string, string>>): SeedModel[] {
  const present = PROVIDERS.filter(({ credential }) => credential !== null && (variables[credential] ?? '') !== '')
  return [...SIMULATED, ...present.flatMap(({ name, probeModel }) => modelsOf(name, probeModel))]
}
