// Whether a provider accepts a credential, found out by a call of its that costs nothing: to where a target sends it, or to where
// the catalogue has its provider.
import { namesIn } from '../../catalog/address.ts'
import { freeCallOf } from '../../catalog/free-calls.ts'
import { findProvider } from '../../catalog/providers.ts'
import type { Target } from '../../core/directory.ts'
import type { GatewayEnv } from '../../env.ts'
import { type KeptCredential, callable, heldNames } from './credential-record.ts'
import type { AdminPorts } from '../ports.ts'
import { readCompiled } from '../publish/publish.ts'
import { type TargetRow, listRows } from '../store.ts'

/** What the provider said; `accepted` is null where that can't be told. */
export interface CheckedCredential {
  readonly accepted: boolean | null
  readonly status: number
  readonly latency_ms: number
  readonly saw: string
}

/** Asks the provider. Never rejects for what it says. */
export async function checkCredential(
  kept: KeptCredential,
  env: GatewayEnv,
  ports: AdminPorts,
): Promise<CheckedCredential> {
  const target = (await targetWith(kept.row.id, env)) ?? blankTarget(kept)
  if (target === null) return unknown('No target uses it, and its provider has no address of its own.')
  const path = freeCallOf(target.provider, target.dialect)
  if (path === null) return unknown('The provider has no call that costs nothing and asks for a credential.')
  const { credentials: _others, ...single } = target
  const called = await callable({ ...single, credential: kept.row.id }, env.DB)
  const startedAtMs = ports.nowMs()
  try {
    const { status, latencyMs, saw } = await ports.probe(called, env, path)
    // Some say 400 of a key that they don't know.
    const isRefused = status === 401 || status === 403 || (status === 400 && /api[ _-]?key/i.test(saw))
    const accepted = status >= 200 && status < 300 ? true : isRefused ? false : null
    return { accepted, status, latency_ms: latencyMs, saw }
  } catch (error) {
    const saw = error instanceof Error ? error.message : String(error)
    return { accepted: null, status: 0, latency_ms: ports.nowMs() - startedAtMs, saw }
  }
}

function unknown(saw: string): CheckedCredential {
  return { accepted: null, status: 0, latency_ms: 0, saw }
}

async function targetWith(name: string, env: GatewayEnv): Promise<Target | null> {
  const targets = (await listRows<TargetRow>(env.DB, 'targets')).map(readCompiled)
  return targets.find((target) => heldNames(target).includes(name)) ?? null
}

/** A target of the credential's provider, at the address that the catalogue has for all of them. */
function blankTarget({ row }: KeptCredential): Target | null {
  const provider = row.provider === null ? undefined : findProvider(row.provider)
  if (provider?.baseUrl == null || namesIn(provider.baseUrl).length > 0) return null
  return {
    id: `check-${row.id}`,
    provider: provider.name,
    dialect: provider.dialect,
    baseUrl: provider.baseUrl,
    model: '*',
    credential: row.id,
    maxRetries: 0,
    timeouts: { firstContentMs: 15_000, idleMs: 15_000, totalMs: 15_000 },
    maxOutputTokens: 1,
    price: null,
    priceVersion: null,
    costCenter: null,
    ...(provider.auth === undefined ? {} : { auth: provider.auth }),
  }
}
