// How much is killed: everything, or one part of many.

/** KILL_PART=2/10: the third of ten parts. */
function partOf(text: string | undefined): { readonly number: number; readonly of: number } {
  const [number = 0, of = 1] = (text ?? '0/1').split('/').map(Number)
  return { number, of }
}

export const EVERYWHERE = { part: partOf(process.env['KILL_PART']) }
