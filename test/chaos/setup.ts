// What the run's system is set up with: tenants, targets, routes, prices.
import { type Gateway, create, createTenant, type MintedKey } from '../support/account.ts'
import {
  MARGIN_PERCENT,
  type OwnTarget,
  type Price,
  ROUTES,
  SPECIAL,
  TARGETS,
  TENANTS,
  type TenantName,
} from './features.ts'

export type Keys = Readonly<Record<TenantName, MintedKey>>

export async function setUp(gateway: Gateway, providersUrl: string): Promise<Keys> {
  const keyOf = (name: TenantName): Promise<MintedKey> => createTenant(gateway, name, TENANTS[name])
  const keys = {
    wide: await keyOf('wide'),
    tight: await keyOf('tight'),
    cached: await keyOf('cached'),
    special: await keyOf('special'),
    margin: await keyOf('margin'),
    users: await keyOf('users'),
    admitted: await keyOf('admitted'),
  }
  for (const [wire, prefix] of WIRES) {
    await target(gateway, { id: `any-${wire}`, provider: `simulated-${wire}`, model: '*' })
    await route(gateway, `${prefix}*`, [`any-${wire}`])
  }
  const account = { id: 'account', provider: 'openai', base_url: `${providersUrl}/openai/v1`, model: 'gpt-4o-mini' }
  await target(gateway, { ...account, credential: 'SIMULATED_API_KEY' })
  await route(gateway, 'gpt-4o-mini', ['account'])
  for (const [id, settings] of Object.entries(TARGETS)) await target(gateway, ownTarget(id, settings, providersUrl))
  for (const [model, { targets, more }] of Object.entries(ROUTES)) await route(gateway, model, targets, more)
  const { tenantId } = keys.special
  const special = { provider: 'simulated-openai', model: 'sim-gpt*', tenant: tenantId, price: usd(SPECIAL) }
  await create(gateway, '/admin/prices', special)
  const margin = { provider: '*', model: '*', tenant: keys.margin.tenantId, adjust_percent: String(MARGIN_PERCENT) }
  await create(gateway, '/admin/prices', margin)
  return keys
}

const WIRES = [
  ['openai', 'sim-gpt'],
  ['anthropic', 'sim-claude'],
  ['gemini', 'sim-gemini'],
  ['bedrock', 'sim-bedrock'],
  ['cohere', 'sim-command'],
  ['ollama', 'sim-llama'],
  ['inhouse', 'sim-inhouse'],
] as const

function ownTarget(
  id: string,
  { model, price, hardware, max_retries = 0, ...more }: OwnTarget,
  providersUrl: string,
): object {
  const isAnthropic = model.startsWith('sim-claude')
  return {
    id,
    provider: 'custom',
    dialect: isAnthropic ? 'anthropic-messages' : 'openai-chat',
    base_url: `${providersUrl}/${isAnthropic ? 'anthropic' : 'openai'}/v1`,
    credential: 'SIMULATED_API_KEY',
    model,
    max_retries,
    max_output_tokens: 4_000,
    capabilities: { reasoning: false },
    ...more,
    ...(price === null ? {} : { price: { ...usd(price), ...(hardware === undefined ? {} : { hardware }) } }),
  }
}

async function target(gateway: Gateway, settings: object): Promise<void> {
  await create(gateway, '/admin/targets', { force: true, max_retries: 0, probe_model: 'sim-fast', ...settings })
}

async function route(gateway: Gateway, model: string, targets: readonly string[], more: object = {}): Promise<void> {
  await create(gateway, '/admin/routes', { model, targets, mid_stream_failover: false, ...more })
}

/** As the admin API takes it. */
function usd({ input, output }: Price): object {
  return { input_usd_per_million: String(input / 1e6), output_usd_per_million: String(output / 1e6) }
}
