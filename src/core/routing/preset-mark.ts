// How a request names a preset within its model. Apart from all else about presets, since every request is looked at for it.
import type { Json } from '../json.ts'

/** What comes before a preset's name. */
export const PRESET_MARK = '@preset/'

/** Whether a request may name a preset: the quick look that every request gets. */
export function mayNamePreset(model: string, preset: Json | undefined): boolean {
  return preset !== undefined || model.includes(PRESET_MARK)
}
