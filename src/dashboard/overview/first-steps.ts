// Which steps to the first request are done, by what is configured. Pure.
import type { ApiOverview } from '../api-types.ts'

export type StepName = 'credential' | 'model' | 'key' | 'request'

/** The steps that are done. Whoever sees a part of a deployment sees no targets: a route says enough there. */
export function stepsDone({
  targets,
  has_credentials: hasCredentials = false,
  routes,
  key_counts: keyCounts,
}: Pick<ApiOverview, 'targets' | 'has_credentials' | 'routes' | 'key_counts'>) {
  const done = new Set<StepName>()
  const hasModel = routes.length > 0
  if (hasCredentials || targets.some(isUsable) || (targets.length === 0 && hasModel)) done.add('credential')
  if (hasModel) done.add('model')
  if (keyCounts.some(({ active }) => active > 0)) done.add('key')
  return done
}

/** A target without a probe was made without being asked; one that failed shows that its credential is missing or wrong. */
function isUsable({ probe }: NonNullable<ApiOverview['targets']>[number]): boolean {
  return probe?.ok !== false
}
