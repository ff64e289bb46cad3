// Where in the world an isolate is, as far as that matters: a provider can be out of reach from one continent alone, and what
// is found out there is nobody else's. Four regions, few enough that each hears of a target soon.

export const REGIONS = ['am', 'eu', 'ap', 'other'] as const
export type Region = (typeof REGIONS)[number]

/** By Cloudflare's code: https://developers.cloudflare.com/workers/runtime-apis/request/ (read 2026-11-21) */
const BY_CONTINENT: ReadonlyMap<unknown, Region> = new Map([
  ['NA', 'am'],
  ['SA', 'am'],
  ['EU', 'eu'],
  ['AS', 'ap'],
  ['OC', 'ap'],
])

/** The region of a continent; `other` for Africa, for Antarctica and for whatever says nothing. */
export function regionOf(continent: unknown): Region {
  return BY_CONTINENT.get(continent) ?? 'other'
}

/** Name of the object that a region's isolates share about a target. No id can make it another's: the region comes first. */
export function breakerName(region: Region, targetId: string): string {
  return `${region}/${targetId}`
}
