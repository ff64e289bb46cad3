// Instants in a form's control for date and time, which is in the viewer's zone.

/** An instant as such a control has it: `2026-11-21T18:00`. */
export function dateTimeText(atMs: number): string {
  const at = new Date(atMs)
  const two = (value: number): string => String(value).padStart(2, '0')
  const date = `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())}`
  return `${date}T${two(at.getHours())}:${two(at.getMinutes())}`
}

/** What such a control says, with its zone; what is no instant stays as it is, for the API to object to. */
export function instantOf(text: string): string {
  const at = new Date(text)
  return Number.isNaN(at.getTime()) ? text : at.toISOString()
}
