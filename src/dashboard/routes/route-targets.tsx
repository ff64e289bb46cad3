// Which targets a group of a route has: one more of those that are registered, its weight where the group gives shares, one less.
import { useId, useState } from 'preact/hooks'
import type { ApiGroup, ApiMember, ApiTarget } from '../api-types.ts'
import { isSharing, memberOf, targetsOf } from './route-edit.ts'

interface WeightProps {
  readonly member: ApiMember
  readonly name: string
  /** NaN for what is no number: the API says what is allowed. */
  readonly onWeight: (weight: number) => void
}

/** What a member gets, beside the others’ weights; one whose weight grows by itself has none to be set. */
export function MemberWeight({ member, name, onWeight }: WeightProps) {
  const { weight = 1, ramp } = memberOf(member)
  const [text, setText] = useState(String(weight))
  // Somebody else's, where theirs is shown by now.
  const shown = Number.isNaN(weight) || numberOf(text) === weight ? text : String(weight)
  if (ramp !== undefined) return <span class="context">its share grows</span>
  return (
    <input
      class="input weight"
      inputMode="decimal"
      aria-label={`Weight of ${name}`}
      title="Weight"
      value={shown}
      onInput={({ currentTarget: { value } }) => {
        setText(value)
        onWeight(numberOf(value))
      }}
    />
  )
}

function numberOf(text: string): number {
  return text.trim() === '' ? Number.NaN : Number(text.trim().replace(',', '.'))
}

interface AddTargetProps {
  readonly group: ApiGroup
  readonly targets: readonly ApiTarget[]
  readonly label: string
  readonly onAdd: (target: ApiTarget) => void
}

/** Those that are registered and not in the group yet. */
export function AddTarget({ group, targets, label, onAdd }: AddTargetProps) {
  const id = useId()
  const [chosen, setChosen] = useState('')
  const has = new Set(
    targetsOf({ ...group, members: group.members.filter((one) => memberOf(one).target !== undefined) }),
  )
  const others = targets.filter((target) => !has.has(target.id))
  const target = others.find((one) => one.id === chosen) ?? others[0]
  if (target === undefined) {
    return <p class="hint">Every target that is registered is in it. Another is registered with POST /admin/targets.</p>
  }
  return (
    <div class="add-target">
      <label for={id}>
        Another target<span class="visually-hidden"> of {label}</span>
      </label>
      <select id={id} class="input" value={target.id} onChange={(event) => setChosen(event.currentTarget.value)}>
        {others.map((one) => (
          <option key={one.id} value={one.id}>
            {one.name ?? one.id} ({one.provider}/{one.model === '*' ? 'any model' : one.model})
          </option>
        ))}
      </select>
      <button type="button" class="button" onClick={() => onAdd(target)}>
        Add it{isSharing(group) ? ' with weight 1' : ' as the last'}
      </button>
    </div>
  )
}
