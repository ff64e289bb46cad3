// Dragging the lines of a list by their grips, with a mouse, a pen or a finger. The keyboard has buttons of its own.
import { useRef, useState } from 'preact/hooks'

export interface Dragging {
  /** The line that is dragged, by its place; null for none. */
  readonly at: number | null
  /** For the grip of the line at `place`. */
  gripOf(place: number): {
    readonly onPointerDown: (event: PointerEvent) => void
    readonly onPointerMove: (event: PointerEvent) => void
    readonly onPointerUp: (event: PointerEvent) => void
    readonly onPointerCancel: (event: PointerEvent) => void
  }
}

/** `onMove(from, to)` is called as soon as a line is beyond the middle of another. */
export function useDragging(onMove: (from: number, to: number) => void): Dragging {
  const [at, setAt] = useState<number | null>(null)
  const place = useRef<number | null>(null)
  function start(from: number, event: PointerEvent): void {
    if (event.button !== 0 || !(event.currentTarget instanceof Element)) return
    event.preventDefault()
    event.currentTarget.setPointerCapture(event.pointerId)
    place.current = from
    setAt(from)
  }
  function follow(event: PointerEvent): void {
    const from = place.current
    const line = event.currentTarget instanceof Element ? event.currentTarget.closest('li') : null
    if (from === null || line === null) return
    const others = [...(line.parentElement?.children ?? [])].filter((one) => one !== line)
    const to = others.filter((one) => middleOf(one) < event.clientY).length
    if (to === from) return
    place.current = to
    setAt(to)
    onMove(from, to)
  }
  function end(): void {
    place.current = null
    setAt(null)
  }
  return {
    at,
    gripOf: (from) => ({
      onPointerDown: (event) => start(from, event),
      onPointerMove: follow,
      onPointerUp: end,
      onPointerCancel: end,
    }),
  }
}

function middleOf(element: Element): number {
  const { top, height } = element.getBoundingClientRect()
  return top + height / 2
}
