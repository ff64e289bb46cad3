// Presets as they are kept, and as the edge reads them.
import { isJsonObject, parseJson } from '../../core/json.ts'
import type { Preset } from '../../core/routing/preset.ts'
import type { PresetRow } from '../store.ts'

/** What of a preset a row keeps as JSON. */
export type StoredPreset = Pick<Preset, 'members' | 'system'>

/** A row's preset. The column is written by this control plane only. */
export function storedPreset({ preset }: PresetRow): StoredPreset {
  const stored = parseJson(preset)
  if (!isJsonObject(stored)) return { members: {} }
  const { members, system } = stored
  return { members: isJsonObject(members) ? members : {}, ...(typeof system === 'string' ? { system } : {}) }
}

/** A preset as the edge reads it. */
export function publishedPreset(row: PresetRow): Preset {
  return { name: row.name, tenantId: row.tenant_id === '' ? null : row.tenant_id, ...storedPreset(row) }
}
