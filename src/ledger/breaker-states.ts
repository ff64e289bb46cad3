// How targets' breakers stand, as far as they have told: noted when one opens, begins to let traffic back, or closes. For
// whoever looks; nothing decides by it.

export interface NotedState {
  /** `<region>/<target id>` */
  readonly name: string
  readonly state: 'closed' | 'ramping' | 'open'
  readonly hasOpened: boolean
  readonly atMs: number
}

const NOTE = `INSERT INTO breakers (name, region, target_id, state, opened, at_ms) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
  ON CONFLICT (name) DO UPDATE SET opened = opened + excluded.opened,
    state = iif(excluded.at_ms >= at_ms, excluded.state, state), at_ms = max(at_ms, excluded.at_ms)`

/** Notes a state. An older one, that comes late, changes nothing but how often it opened. Throws when D1 fails. */
export async function noteBreaker(db: D1Database, { name, state, hasOpened, atMs }: NotedState): Promise<void> {
  const at = name.indexOf('/')
  const [region, target] = at === -1 ? ['', name] : [name.slice(0, at), name.slice(at + 1)]
  await db
    .prepare(NOTE)
    .bind(name, region, target, state, hasOpened ? 1 : 0, atMs)
    .run()
}

/** As the admin API tells it. */
export interface BreakerState {
  readonly target: string
  readonly region: string
  readonly state: NotedState['state']
  /** How often it has opened. */
  readonly opened: number
  readonly at_ms: number
}

/** More are not told. */
const TOLD_MAX = 1_000

/** The states that targets have told, those that are still there; the latest first. Throws when D1 fails. */
export async function breakerStates(db: D1Database): Promise<readonly BreakerState[]> {
  const query = `SELECT target_id AS target, region, state, opened, at_ms FROM breakers
    WHERE EXISTS (SELECT 1 FROM targets WHERE targets.id = target_id) ORDER BY at_ms DESC LIMIT ${TOLD_MAX}`
  return (await db.prepare(query).all<BreakerState>()).results
}
