// Choosing a key: from a list where there are few, or from those that a search finds.
import { useState } from 'preact/hooks'
import type { AdminApi } from '../api.ts'
import type { ApiKeyNames } from '../api-types.ts'
import { useFeed } from '../live/feed.ts'
import { SelectField, TextField } from '../parts/forms.tsx'
import { useSettled } from '../live/use-settled.ts'

/** As many as the API lists at once. */
const LISTED_MAX = 200
const EVERY_MS = 60_000

interface KeyFieldProps {
  readonly api: AdminApi
  readonly label: string
  /** What choosing none means; null where one has to be chosen. */
  readonly none: string | null
  readonly state: 'active' | 'all'
  /** Only this tenant's; '' for everybody's. */
  readonly tenant: string
  /** Id of the key; '' for none. */
  readonly value: string
  readonly nameOf: (id: string) => string
  readonly hint?: string
  readonly onValue: (id: string) => void
}

export function KeyField({ api, label, none, state, tenant, value, nameOf, hint, onValue }: KeyFieldProps) {
  const [search, setSearch] = useState('')
  const settled = useSettled(search)
  const query = new URLSearchParams({ state })
  if (settled !== '') query.set('q', settled)
  if (tenant !== '') query.set('tenant', tenant)
  const found = useFeed({
    key: String(query),
    load: (signal) => api.read<ApiKeyNames>(`/admin/keys/names?${query}`, ['rows'], signal),
    isPaused: false,
    everyMs: EVERY_MS,
  })
  const rows = found.data?.rows ?? []
  const options = rows.map(({ id, name }) => ({ value: id, text: name }))
  // One that isn't among them can still be meant.
  const other = value === '' || rows.some(({ id }) => id === value) ? [] : [{ value, text: nameOf(value) }]
  const isMany = settled !== '' || (found.data?.count ?? 0) > LISTED_MAX
  return (
    <>
      {isMany && <TextField label={`Find a key for ${label.toLowerCase()}`} value={search} onValue={setSearch} />}
      <SelectField
        label={label}
        value={value}
        options={[...(none === null ? [] : [{ value: '', text: none }]), ...other, ...options]}
        {...(hint === undefined ? {} : { hint })}
        onValue={onValue}
      />
    </>
  )
}
