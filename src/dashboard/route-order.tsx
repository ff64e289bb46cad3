// A route's targets, changed: put in another order by dragging or by buttons, given other weights, added and taken away. Saved only
// over what was seen: where somebody else changed the route meanwhile, theirs is shown and nothing is lost.
import { useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks'
import { type ApiFailure, asFailure, type Tagged } from './api.ts'
import type { ApiGroup, ApiMember, ApiRoute, ApiTarget } from './api-types.ts'
import type { Desk } from './page-frame.tsx'
import {
  bodyOf,
  groupOf,
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
import { useDragging } from './use-dragging.ts'

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

const CONFLICT =
  'Somebody else changed this route meanwhile. Nothing of yours was saved; what stands above is the route as it is now.'

interface OrderListProps {
  readonly group: ApiGroup
  readonly label: string
  /** All that are registered. */
  readonly targets: readonly ApiTarget[]
  readonly nameOf: (target: string) => string
  readonly onGroup: (group: ApiGroup) => void
}

function OrderList({ group, label, targets, nameOf, onGroup }: OrderListProps) {
  const list = useRef<HTMLOListElement>(null)
  const wanted = useRef<{ readonly at: number; readonly way: Way } | null>(null)
  const [said, setSaid] = useState('')
  const isOrdered = isChain(group)
  function move(from: number, to: number): void {
    const member = group.members[from]
    if (member === undefined || to < 0 || to >= group.members.length) return
    onGroup({ ...group, members: moved(group.members, from, to) })
    setSaid(`${textOf(member, nameOf)} is tried as number ${to + 1} of ${group.members.length}.`)
  }
  // The button that was pressed has moved with its line; at an end it is of no use any more, and its neighbour is. At once:
  // whoever holds the key down presses the next one before a frame is drawn.
  useLayoutEffect(() => {
    if (wanted.current === null) return
    const { at, way } = wanted.current
    wanted.current = null
    const buttons = [...(list.current?.children[at]?.querySelectorAll<HTMLButtonElement>('button.move') ?? [])]
    const [first] = buttons.toSorted((a, b) => Number(b.dataset['way'] === way) - Number(a.dataset['way'] === way))
    const usable = first?.disabled === true ? buttons.find(({ disabled }) => !disabled) : first
    usable?.focus()
  }, [group])
  const dragging = useDragging(move)
  function press(at: number, way: 'up' | 'down'): void {
    const to = way === 'up' ? at - 1 : at + 1
    wanted.current = { at: to, way }
    move(at, to)
  }
  function remove(at: number, name: string): void {
    wanted.current = { at: Math.min(at, group.members.length - 2), way: 'away' }
    onGroup(withoutMember(group, at))
    setSaid(`${name} is taken away.`)
  }
  function add({ id }: ApiTarget): void {
    onGroup(withTarget(group, id))
    setSaid(`${nameOf(id)} is added as number ${group.members.length + 1}.`)
  }
  return (
    <>
      <ol ref={list} class={isOrdered ? 'members order' : 'members'} aria-label={`Targets of ${label}`}>
        {group.members.map((member, at) => {
          const name = textOf(member, nameOf)
          const { group: inner, ...own } = memberOf(member)
          return (
            <li key={own.target ?? `group ${at}`} class={dragging.at === at ? 'dragged' : ''}>
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
                    onWeight={(weight) =>
                      onGroup(
                        withMember(group, at, { ...own, ...(inner === undefined ? {} : { group: inner }), weight }),
                      )
                    }
                  />
                )}
                <span class="moves">
                  {isOrdered && <MoveButtons at={at} count={group.members.length} name={name} onPress={press} />}
                  <MoveButton way="away" text="Remove" label={`Remove ${name}`} onPress={() => remove(at, name)} />
                </span>
              </div>
              {inner !== undefined && (
                <OrderList
                  group={inner}
                  label={name}
                  targets={targets}
                  nameOf={nameOf}
                  onGroup={(next) =>
                    onGroup(next.members.length === 0 ? withoutMember(group, at) : withGroup(group, [at], next))
                  }
                />
              )}
            </li>
          )
        })}
      </ol>
      <AddTarget group={group} targets={targets} label={label} onAdd={add} />
      <p class="visually-hidden" role="status">
        {said}
      </p>
    </>
  )
}

type Way = 'up' | 'down' | 'away'

interface MoveButtonProps {
  readonly way: Way
  readonly text: string
  readonly label: string
  readonly isDisabled?: boolean
  readonly onPress: () => void
}

function MoveButton({ way, text, label, isDisabled = false, onPress }: MoveButtonProps) {
  return (
    <button
      type="button"
      class="button quiet small move"
      data-way={way}
      disabled={isDisabled}
      aria-label={label}
      onClick={onPress}
    >
      {text}
    </button>
  )
}

interface MoveButtonsProps {
  readonly at: number
  readonly count: number
  readonly name: string
  readonly onPress: (at: number, way: 'up' | 'down') => void
}

function MoveButtons({ at, count, name, onPress }: MoveButtonsProps) {
  const common = (way: 'up' | 'down') => ({ way, label: `Move ${name} ${way}`, onPress: () => onPress(at, way) })
  return (
    <>
      <MoveButton {...common('up')} text="↑" isDisabled={at === 0} />
      <MoveButton {...common('down')} text="↓" isDisabled={at === count - 1} />
    </>
  )
}

function textOf(member: ApiMember, nameOf: (target: string) => string): string {
  const { target, group } = memberOf(member)
  if (target !== undefined) return nameOf(target)
  return `${group?.strategy ?? 'priority'} of ${group?.members.length ?? 0}`
}
