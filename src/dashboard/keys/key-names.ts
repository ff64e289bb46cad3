// The names of keys whose ids are at hand: asked for together, when something shows them for the first time, and again when the
// configuration has changed. Until then a key is called by its id.
import { useCallback, useEffect, useRef, useState } from 'preact/hooks'
import type { AdminApi } from '../api.ts'
import type { ApiKeyName, ApiKeyNames } from '../api-types.ts'

/** As many as the API tells at once. */
const IDS_MAX = 200

/** A key by its id; null while nobody knows, and for one that is gone. Another function once more is known. */
export type KeyNameOf = (id: string) => ApiKeyName | null

/** Names as `api` tells them; asked for anew where `revision` is another. */
export function useKeyNames(api: AdminApi, revision: number | null): KeyNameOf {
  const [known, setKnown] = useState<ReadonlyMap<string, ApiKeyName>>(new Map())
  const asked = useRef(new Set<string>())
  const wanted = useRef(new Set<string>())
  const isLeft = useRef(false)
  useEffect(() => () => void (isLeft.current = true), [])
  useEffect(() => {
    // Who shows one, asks again.
    if (revision !== null) asked.current.clear()
  }, [revision])

  const ask = useCallback(async () => {
    const ids = [...wanted.current].slice(0, IDS_MAX)
    for (const id of ids) wanted.current.delete(id)
    if (wanted.current.size > 0) setTimeout(() => void ask())
    try {
      const query = new URLSearchParams({ ids: ids.join(',') })
      const { rows } = await api.read<ApiKeyNames>(`/admin/keys/names?${query}`, ['rows'], new AbortController().signal)
      if (!isLeft.current && rows.length > 0) setKnown((before) => withRows(before, rows))
    } catch {
      // Whatever is shown asks again with its next answer.
      for (const id of ids) asked.current.delete(id)
    }
  }, [api])

  return useCallback(
    (id) => {
      if (id !== '' && !asked.current.has(id)) {
        asked.current.add(id)
        if (wanted.current.size === 0) setTimeout(() => void ask())
        wanted.current.add(id)
      }
      return known.get(id) ?? null
    },
    [known, ask],
  )
}

/** The same map where nothing is new: then nothing is drawn again. */
function withRows(
  before: ReadonlyMap<string, ApiKeyName>,
  rows: readonly ApiKeyName[],
): ReadonlyMap<string, ApiKeyName> {
  if (rows.every(({ id, name }) => before.get(id)?.name === name)) return before
  return new Map([...before, ...rows.map((row) => [row.id, row] as const)])
}
