// A route's targets, changed: put in another order by dragging or by buttons, given other weights, added and taken away. Saved only
// over what was seen: where somebody else changed the route meanwhile, theirs is shown and nothing is lost.
import { useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks'
import { type ApiFailure, asFailure, type Tagged } from '../api.ts'
import type { ApiGroup, ApiMember, ApiRoute, ApiTarget } from '../api-types.ts'
import { MoveButton, MoveButtons, type Way } from '../parts/move-buttons.tsx'
import type { Desk } from '../frame/page-frame.tsx'
import {
  WEIGHT_MAX,
  bodyOf,
  groupOf,
  hasWeights,
  isChain,
  isSharing,
  memberOf,
  moved,
  targetsOf,
  withGroup,
  withMember,
  withTarget,
  withoutMember,
} from './route-edit.ts'
import { AddTarget, MemberWeight } from './route-targets.tsx'
import { type Dragging, useDragging } from '../parts/use-dragging.ts'

/** The path of a route in the API. */
export function routePath(id: string): string {
  return `/admin/routes/${encodeURIComponent(id)}`
}

/** A change was made to something else than what was seen. */
export function isConflict({ code }: ApiFailure): boolean {
  return code === 'moved_on'
}

interface RouteOrderProps {
  readonly desk: Desk
  readonly route: ApiRoute
  readonly nameOf: (target: string) => string
  readonly onClose: () => void
  readonly onDone: (said: string) => void
}

export function RouteOrder({ desk: { api, overview }, route, nameOf, onClose, onDone }: RouteOrderProps) {
  const [seen, setSeen] = useState<Tagged<ApiRoute> | null>(null)
  const [draft, setDraft] = useState<ApiGroup | null>(null)
  const [problem, setProblem] = useState('')
  const [isSaving, setIsSaving] = useState(false)

  async function read(): Promise<void> {
    const found = await api.readTagged<ApiRoute>(routePath(route.id), new AbortController().signal)
    setSeen(found)
    setDraft(groupOf(found.data))
  }
  useEffect(() => {
    read().catch((thrown: unknown) => setProblem(asFailure(thrown).message))
  }, [])
  async function save(): Promise<void> {
    if (draft === null || seen === null) return
    if (!hasWeights(draft)) return setProblem(NO_WEIGHT)
    setIsSaving(true)
    setProblem('')
    try {
      await api.send('PATCH', routePath(route.id), bodyOf(draft), seen.etag)
      onDone(`The targets of ${route.model} are saved.`)
    } catch (thrown) {
      const failure = asFailure(thrown)
      setProblem(isConflict(failure) ? CONFLICT : failure.message)
      if (isConflict(failure)) await read().catch(() => undefined)
    } finally {
      setIsSaving(false)
    }
  }
  const isChanged = draft !== null && seen !== null && JSON.stringify(draft) !== JSON.stringify(groupOf(seen.data))
  return (
    <div class="route-order">
      {draft === null && problem === '' && <p role="status">Loading…</p>}
      {draft !== null && (
        <OrderList
          group={draft}
          label={route.model}
          targets={overview.data?.targets ?? []}
          nameOf={nameOf}
          onGroup={(next) => {
            // A group of nothing serves nothing: the route stays as it is.
            const isLast = targetsOf(next).length === 0
            setProblem(isLast ? LAST : '')
            if (!isLast) setDraft(next)
            return !isLast
          }}
        />
      )}
      <div role="alert">{problem !== '' && <p class="form-error">{problem}</p>}</div>
      <div class="actions">
        <button type="button" class="button primary" disabled={!isChanged || isSaving} onClick={() => void save()}>
          {isSaving ? 'One moment…' : 'Save the targets'}
        </button>
        <button type="button" class="button" onClick={onClose}>
          Cancel
        </button>
      </div>
    </div>
  )
}

const LAST = 'This is its last target, and a route without one serves nobody. Add another before you take it away.'

const NO_WEIGHT = `A weight is a number from 0 to ${WEIGHT_MAX.toLocaleString('en')}, such as 2 or 0.5.`

const CONFLICT =
  'Somebody else changed this route meanwhile. Nothing of yours was saved; what stands above is the route as it is now.'

interface OrderListProps {
  readonly group: ApiGroup
  readonly label: string
  /** All that are registered. */
  readonly targets: readonly ApiTarget[]
  readonly nameOf: (target: string) => string
  /** Returns whether the route may be so. */
  readonly onGroup: (group: ApiGroup) => boolean
}

function OrderList(props: OrderListProps) {
  const { group, label, targets, nameOf, onGroup } = props
  const { list, focusNext } = useFocus(group)
  const [said, setSaid] = useState('')
  function move(from: number, to: number): void {
    const member = group.members[from]
    if (member === undefined || to < 0 || to >= group.members.length) return
    onGroup({ ...group, members: moved(group.members, from, to) })
    setSaid(`${textOf(member, nameOf)} is tried as number ${to + 1} of ${group.members.length}.`)
  }
  const dragging = useDragging(move)
  function press(at: number, way: 'up' | 'down'): void {
    const to = way === 'up' ? at - 1 : at + 1
    focusNext(to, way)
    move(at, to)
  }
  function remove(at: number, name: string): void {
    if (!onGroup(withoutMember(group, at))) return
    focusNext(Math.min(at, group.members.length - 2), 'away')
    setSaid(`${name} is taken away.`)
  }
  function add({ id }: ApiTarget): void {
    onGroup(withTarget(group, id))
    setSaid(`${nameOf(id)} is added as number ${group.members.length + 1}.`)
  }
  const line = { ...props, dragging, onPress: press, onRemove: remove }
  return (
    <>
      <ol ref={list} class={isChain(group) ? 'members order' : 'members'} aria-label={`Targets of ${label}`}>
        {group.members.map((member, at) => (
          <OrderLine key={memberOf(member).target ?? `group ${at}`} {...line} member={member} at={at} />
        ))}
      </ol>
      <AddTarget group={group} targets={targets} label={label} onAdd={add} />
      <p class="visually-hidden" role="status">
        {said}
      </p>
    </>
  )
}

/** The button that was pressed has moved with its line; at an end it is of no use any more, and its neighbour is. At once:
 *  whoever holds the key down presses the next one before a frame is drawn. */
function useFocus(group: ApiGroup) {
  const list = useRef<HTMLOListElement>(null)
  const wanted = useRef<{ readonly at: number; readonly way: Way } | null>(null)
  useLayoutEffect(() => {
    if (wanted.current === null) return
    const { at, way } = wanted.current
    wanted.current = null
    const buttons = [...(list.current?.children[at]?.querySelectorAll<HTMLButtonElement>('button.move') ?? [])]
    const [first] = buttons.toSorted((a, b) => Number(b.dataset['way'] === way) - Number(a.dataset['way'] === way))
    const usable = first?.disabled === true ? buttons.find(({ disabled }) => !disabled) : first
    usable?.focus()
  }, [group])
  const focusNext = (at: number, way: Way): void => void (wanted.current = { at, way })
  return { list, focusNext }
}

interface OrderLineProps extends OrderListProps {
  readonly member: ApiMember
  readonly at: number
  readonly dragging: Dragging
  readonly onPress: (at: number, way: 'up' | 'down') => void
  readonly onRemove: (at: number, name: string) => void
}

function OrderLine({ member, at, dragging, onPress, onRemove, ...props }: OrderLineProps) {
  const { group, nameOf, onGroup } = props
  const name = textOf(member, nameOf)
  const isOrdered = isChain(group)
  const { group: inner, ...own } = memberOf(member)
  const nested = inner === undefined ? {} : { group: inner }
  return (
    <li class={dragging.at === at ? 'dragged' : ''}>
      <div class="order-line">
        {isOrdered && (
          <span class="grip" aria-hidden="true" title="Drag" {...dragging.gripOf(at)}>
            ⠿
          </span>
        )}
        <span class="name">{name}</span>
        {isSharing(group) && (
          <MemberWeight
            member={member}
            name={name}
            onWeight={(weight) => void onGroup(withMember(group, at, { ...own, ...nested, weight }))}
          />
        )}
        <span class="moves">
          {isOrdered && <MoveButtons at={at} count={group.members.length} name={name} onPress={onPress} />}
          <MoveButton way="away" text="Remove" label={`Remove ${name}`} onPress={() => onRemove(at, name)} />
        </span>
      </div>
      {inner !== undefined && (
        <OrderList
          {...props}
          group={inner}
          label={name}
          onGroup={(next) =>
            onGroup(next.members.length === 0 ? withoutMember(group, at) : withGroup(group, [at], next))
          }
        />
      )}
    </li>
  )
}

function textOf(member: ApiMember, nameOf: (target: string) => string): string {
  const { target, group } = memberOf(member)
  if (target !== undefined) return nameOf(target)
  return `${group?.strategy ?? 'priority'} of ${group?.members.length ?? 0}`
}
