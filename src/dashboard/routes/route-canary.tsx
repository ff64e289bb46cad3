// How a route's canary stands, and what can be done with it: another share, taken back, made the route's own, taken off.
import { useState } from 'preact/hooks'
import { asFailure } from '../api.ts'
import type { ApiRoute } from '../api-types.ts'
import { CanaryDialog } from './canary-dialog.tsx'
import { Instant } from '../parts/figures.tsx'
import { formatShare } from '../parts/format.ts'
import type { Desk } from '../frame/page-frame.tsx'
import { bodyOf, type Canary, canaryOf, promoted, rolledBack, withoutCanary } from './route-edit.ts'
import { isConflict, routePath } from './route-order.tsx'
import { SureDialog } from '../parts/sure-dialog.tsx'

interface RouteCanaryProps {
  readonly desk: Desk
  readonly route: ApiRoute
  readonly canary: Canary
  /** What its target is called. */
  readonly name: string
  /** What it did in the last hour for this route, in words. */
  readonly lately: string
  readonly mayChange: boolean
  readonly onDone: (said: string) => void
}

const CHANGES = { back: rolledBack, promote: promoted, off: withoutCanary } as const
type ChangeName = keyof typeof CHANGES

export function RouteCanary({ desk, route, canary, name, lately, mayChange, onDone }: RouteCanaryProps) {
  const [open, setOpen] = useState<'share' | ChangeName | null>(null)
  return (
    <div class={canary.isOut ? 'canary out' : 'canary'}>
      <div class="canary-what">
        <p>
          <span class={`badge ${canary.isOut ? 'warn' : 'note'}`}>{canary.isOut ? 'taken back' : 'canary'}</span>{' '}
          <strong class="name">{name}</strong> gets {formatShare(canary.share, 1)}
          {canary.grows !== null && (
            <>
              , growing to {formatShare(canary.grows.toShare, 1)} until{' '}
              <Instant atMs={canary.grows.untilMs} nowMs={Date.now()} />
            </>
          )}
          {canary.isOut && ': it is asked only where all others fail'}
        </p>
        <span
          class="share-track"
          role="meter"
          aria-label={`Share of ${name}`}
          aria-valuemin={0}
          aria-valuemax={100}
          aria-valuenow={Math.round(100 * canary.share)}
        >
          <span class="share-bar" style={{ width: `${100 * canary.share}%` }} />
        </span>
        <p class="context">
          {watchText(canary)} {lately}
        </p>
      </div>
      {mayChange && <Actions canary={canary} name={name} onOpen={setOpen} />}
      {open === 'share' && (
        <CanaryDialog
          desk={desk}
          route={route}
          onClose={() => setOpen(null)}
          onDone={(said) => {
            setOpen(null)
            onDone(said)
          }}
        />
      )}
      {open !== null && open !== 'share' && (
        <ChangeDialog
          desk={desk}
          route={route}
          change={open}
          name={name}
          onClose={() => setOpen(null)}
          onDone={onDone}
        />
      )}
    </div>
  )
}

function watchText({ watch, isOut }: Canary): string {
  if (isOut) return ''
  if (watch === null) return 'Nobody takes it back but people.'
  const { max_error_rate: rate, min_requests: requests, window_minutes: minutes } = watch
  return `Taken back by itself beyond ${formatShare(rate, 1)} errors of at least ${requests} calls within ${minutes} minutes, if the others fail less.`
}

interface ActionsProps {
  readonly canary: Canary
  readonly name: string
  readonly onOpen: (name: 'share' | ChangeName) => void
}

function Actions({ canary, name, onOpen }: ActionsProps) {
  return (
    <div class="actions">
      <button type="button" class="button" onClick={() => onOpen('share')}>
        {canary.isOut ? 'Start it again' : 'Change its share'}
        <span class="visually-hidden"> ({name})</span>
      </button>
      {canary.isOut ? (
        <button type="button" class="button" onClick={() => onOpen('off')}>
          Take it off the route
        </button>
      ) : (
        <>
          <button type="button" class="button" onClick={() => onOpen('promote')}>
            Let it serve all
          </button>
          <button type="button" class="button danger-quiet" onClick={() => onOpen('back')}>
            Roll back
          </button>
        </>
      )}
    </div>
  )
}

interface ChangeDialogProps {
  readonly desk: Desk
  readonly route: ApiRoute
  readonly change: ChangeName
  readonly name: string
  readonly onClose: () => void
  readonly onDone: (said: string) => void
}

const WORDS = {
  back: {
    title: 'Roll back',
    action: 'Roll it back',
    text: 'It gets nothing any more, at once.',
    said: 'is taken back on',
  },
  promote: {
    title: 'Let serve all:',
    action: 'Let it serve all',
    text: 'It serves every request from now on; what served before is its fallback.',
    said: 'serves all of',
  },
  off: {
    title: 'Take off:',
    action: 'Take it off',
    text: 'The route is as before the canary.',
    said: 'is off the route of',
  },
} as const

/** Done to the route as it is at that moment, and not over what somebody else does meanwhile. */
function ChangeDialog({ desk: { api }, route, change, name, onClose, onDone }: ChangeDialogProps) {
  const words = WORDS[change]
  async function work(): Promise<void> {
    const path = routePath(route.id)
    const { data, etag } = await api.readTagged<ApiRoute>(path, new AbortController().signal)
    const canary = canaryOf(data, Date.now())
    if (canary === null) throw new Error('The route has no canary any more: somebody else changed it.')
    try {
      await api.send('PATCH', path, bodyOf(CHANGES[change](data, canary)), etag)
    } catch (thrown) {
      const failure = asFailure(thrown)
      if (!isConflict(failure)) throw failure
      throw new Error('Somebody else changed this route meanwhile, and nothing was saved. Try again.', {
        cause: thrown,
      })
    }
  }
  return (
    <SureDialog
      title={`${words.title} ${name}?`}
      action={words.action}
      work={work}
      onClose={onClose}
      onDone={() => onDone(`${name} ${words.said} ${route.model}.`)}
    >
      <p>{words.text}</p>
    </SureDialog>
  )
}
