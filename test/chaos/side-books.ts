// The limiters beside the tenants' own, as they are stored in the end: of end users, of targets, of shadows.
import * as z from 'zod/mini'
import {
  shadowObjectName,
  shardOf,
  targetObjectName,
  userShardName,
  userText,
} from '../../src/core/limits/side-limits.ts'
import { hmacHex } from '../../src/platform/key-digest.ts'
import { TEST_KEY_PEPPER } from '../support/system.ts'
import { FEATURES, MIRRORED } from './features.ts'
import { GAUGE, type Hold, LEASE, callObject, sum } from './objects.ts'
import type { Centre } from './processes.ts'
import type { Keys } from './setup.ts'

/** Where an owner's budget beside the tenants' is kept. */
export interface SideName {
  readonly kind: 'user' | 'target' | 'shadow'
  /** The end user, the target; of a shadow the target that it is sent to. */
  readonly of: string
  readonly ownerId: string
  readonly objectName: string
}

/** Such a budget, as it is stored. */
export interface SideBooks extends SideName {
  readonly spentNanoUsd: number
  readonly heldNanoUsd: number
  /** Since when this was spent. */
  readonly fromMs: number
  /** Of all owners of the object. */
  readonly holds: readonly Hold[]
}

/** All owners whose limits are beside the tenants'. */
export async function sideNames(centre: Centre, keys: Keys): Promise<readonly SideName[]> {
  const { tenantId } = keys.users
  const users = Array.from({ length: FEATURES['end users with budgets'].users }, async (_, at): Promise<SideName> => {
    const of = `user-${at}`
    const ownerId = await hmacHex(TEST_KEY_PEPPER, userText(tenantId, of))
    return { kind: 'user', of, ownerId, objectName: userShardName(tenantId, shardOf(ownerId)) }
  })
  const db = await centre.mf.getD1Database('DB', 'tidegate')
  const routeId = await db.prepare(`SELECT id FROM routes WHERE model = ?1`).bind(MIRRORED).first<string>('id')
  if (routeId === null) throw new Error('nothing is mirrored')
  return [
    ...(await Promise.all(users)),
    { kind: 'target', of: 'narrow', ownerId: 'narrow', objectName: targetObjectName('narrow') },
    { kind: 'shadow', of: 'mirror', ownerId: routeId, objectName: shadowObjectName(routeId) },
  ]
}

const SIDE = z.object({
  result: z.object({ owners: z.array(z.object({ id: z.string(), state: z.string() })), leases: z.array(z.string()) }),
})
const OWNER = z.object({ gauges: z.array(GAUGE) })

export async function sideBooks(centre: Centre, names: readonly SideName[]): Promise<readonly SideBooks[]> {
  return Promise.all(
    names.map(async (name) => {
      const { result } = SIDE.parse(await callObject(centre, 'side', name.objectName, 'books'))
      const own = result.owners.filter(({ id }) => id === name.ownerId)
      const gauges = own.flatMap(({ state }) => OWNER.parse(JSON.parse(state)).gauges)
      const budgets = gauges.filter(({ kind }) => kind === 'budget')
      return {
        ...name,
        spentNanoUsd: sum(budgets.map(({ spentNanoUsd = 0 }) => spentNanoUsd)),
        heldNanoUsd: sum(budgets.map(({ heldNanoUsd = 0 }) => heldNanoUsd)),
        fromMs: Math.max(0, ...budgets.map(({ window }) => window?.startMs ?? 0)),
        holds: result.leases.map((text) => LEASE.parse(JSON.parse(text))),
      }
    }),
  )
}
