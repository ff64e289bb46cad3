// The order in which a route's targets are tried, changed: dragged, or moved by buttons. It is saved only over what was seen:
// where somebody else changed the route meanwhile, theirs is shown and nothing is lost.
import { useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks'
import { type ApiFailure, asFailure, type Tagged } from './api.ts'
import type { ApiGroup, ApiMember, ApiRoute } from './api-types.ts'
import type { Desk } from './page-frame.tsx'
import { bodyOf, groupOf, isChain, memberOf, moved, withGroup } from './route-edit.ts'
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

export function RouteOrder({ desk: { api }, route, nameOf, onClose, onDone }: RouteOrderProps) {
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
      onDone(`The order of ${route.model} is saved.`)
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
      {draft !== null && <OrderList group={draft} label={route.model} nameOf={nameOf} onGroup={setDraft} />}
      <div role="alert">{problem !== '' && <p class="form-error">{problem}</p>}</div>
      <div class="actions">
        <button type="button" class="button primary" disabled={!isChanged || isSaving} onClick={() => void save()}>
          {isSaving ? 'One moment…' : 'Save the order'}
        </button>
        <button type="button" class="button" onClick={onClose}>
          Cancel
        </button>
      </div>
    </div>
  )
}

const CONFLICT =
  'Somebody else changed this route meanwhile. Nothing of yours was saved; what stands above is the route as it is now.'

interface OrderListProps {
  readonly group: ApiGroup
  readonly label: string
  readonly nameOf: (target: string) => string
  readonly onGroup: (group: ApiGroup) => void
}

function OrderList({ group, label, nameOf, onGroup }: OrderListProps) {
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
  function press(at: number, way: Way): void {
    const to = way === 'up' ? at - 1 : at + 1
    wanted.current = { at: to, way }
    move(at, to)
  }
  return (
    <>
      <ol ref={list} class={isOrdered ? 'members order' : 'members'} aria-label={`Order of ${label}`}>
        {group.members.map((member, at) => {
          const name = textOf(member, nameOf)
          const { group: inner } = memberOf(member)
          return (
            <li key={keyOf(member)} class={dragging.at === at ? 'dragged' : ''}>
              <div class="order-line">
                {isOrdered && (
                  <span class="grip" aria-hidden="true" title="Drag" {...dragging.gripOf(at)}>
                    ⠿
                  </span>
                )}
                <span class="name">{name}</span>
                {isOrdered && <MoveButtons at={at} count={group.members.length} name={name} onPress={press} />}
              </div>
              {inner !== undefined && (
                <OrderList
                  group={inner}
                  label={name}
                  nameOf={nameOf}
                  onGroup={(next) => onGroup(withGroup(group, [at], next))}
                />
              )}
            </li>
          )
        })}
      </ol>
      <p class="visually-hidden" role="status">
        {said}
      </p>
    </>
  )
}

/** The same for a group whose members are in another order. */
function keyOf(member: ApiMember): string {
  const { target, group } = memberOf(member)
  return target ?? JSON.stringify((group?.members ?? []).map(keyOf).toSorted())
}

type Way = 'up' | 'down'

interface MoveButtonsProps {
  readonly at: number
  readonly count: number
  readonly name: string
  readonly onPress: (at: number, way: Way) => void
}

function MoveButtons({ at, count, name, onPress }: MoveButtonsProps) {
  return (
    <span class="moves">
      <button
        type="button"
        class="button quiet small move"
        data-way="up"
        disabled={at === 0}
        aria-label={`Move ${name} up`}
        onClick={() => onPress(at, 'up')}
      >
        ↑
      </button>
      <button
        type="button"
        class="button quiet small move"
        data-way="down"
        disabled={at === count - 1}
        aria-label={`Move ${name} down`}
        onClick={() => onPress(at, 'down')}
      >
        ↓
      </button>
    </span>
  )
}

function textOf(member: ApiMember, nameOf: (target: string) => string): string {
  const { target, group } = memberOf(member)
  if (target !== undefined) return nameOf(target)
  return `${group?.strategy ?? 'priority'} of ${group?.members.length ?? 0}`
}
