// Where a tenant's limiter of a region is to be, as Cloudflare names places for Durable Objects: near the isolates that ask it.
// A wrong guess costs a longer way and nothing else. https://developers.cloudflare.com/durable-objects/reference/data-location/
// and https://developers.cloudflare.com/workers/runtime-apis/request/ (read 2026-11-21)

export type LimiterPlace = 'wnam' | 'enam' | 'sam' | 'weur' | 'eeur' | 'apac' | 'oc' | 'afr' | 'me'

/** What a request tells of where it comes from: `request.cf`, of which any part may be missing. */
export interface Whereabouts {
  readonly continent?: unknown
  /** In degrees, as text. */
  readonly longitude?: unknown
}

/** Degrees east at which a continent is divided; where nothing is said of that, the side with more people. */
const NORTH_AMERICA_EAST = -100
const EASTERN_EUROPE = 15
const ASIA_BEYOND_ME = 60

/** The place nearest to a request; null for one that doesn't say where it is from, and for Antarctica. */
export function placeOf({ continent, longitude }: Whereabouts): LimiterPlace | null {
  const east = typeof longitude === 'string' || typeof longitude === 'number' ? Number(longitude) : NaN
  switch (continent) {
    case 'NA':
      return east < NORTH_AMERICA_EAST ? 'wnam' : 'enam'
    case 'SA':
      return 'sam'
    case 'EU':
      return east >= EASTERN_EUROPE ? 'eeur' : 'weur'
    case 'AS':
      return east < ASIA_BEYOND_ME ? 'me' : 'apac'
    case 'OC':
      return 'oc'
    case 'AF':
      return 'afr'
    default:
      return null
  }
}
