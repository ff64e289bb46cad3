// Waits for the reader to stop typing before anything is asked for.
import { useEffect, useState } from 'preact/hooks'

const TYPED_MS = 300

/** What was typed, as it was when the reader last stopped typing. */
export function useSettled<Value>(value: Value): Value {
  const [settled, setSettled] = useState(value)
  useEffect(() => {
    const timer = setTimeout(() => setSettled(() => value), TYPED_MS)
    return () => clearTimeout(timer)
  }, [value])
  return settled
}
