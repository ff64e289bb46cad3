// Which places of a stream are one to die in: where the gateway's framer has cut the same messages out of what came by then, and
// cuts the same out of what comes last. Half an event is half an event, wherever its JSON is broken off. That is what is to be
// shown, so nobody relies on it: a class counts as one only if its first and its last place have come to the same.
import { createFramer } from '../../src/data-plane/framing/index.ts'
import { DONE_DATA } from '../../src/wire/openai-chat.ts'
import { parseJson } from '../../src/core/json.ts'
import type { Frame } from '../../src/dialects/dialect.ts'
import type { Kill } from './kill-matrix.ts'
import { dialects } from './registries.ts'

/** Places from the first to the last, both of them included. */
export interface PlaceClass {
  readonly first: number
  readonly last: number
}

/** Longer streams are cut anew from their last whole message on, which costs less and finds no fewer classes. */
const CUT_WHOLE_MAX = 2_500

/** Several ways to die have the same last bytes. */
const known = new WeakMap<Kill, Map<string, readonly PlaceClass[]>>()

/** The classes of a stream that dies with these last bytes, in order: together all its places, from before its first byte to
 *  behind its last. */
export function classesOf(one: Kill, tail: Uint8Array): readonly PlaceClass[] {
  const classes = known.get(one) ?? new Map<string, readonly PlaceClass[]>()
  known.set(one, classes)
  const found = classes.get(tail.join()) ?? classesWith(one, tail)
  classes.set(tail.join(), found)
  return found
}

function classesWith({ bytes, contentType, source }: Kill, tail: Uint8Array): readonly PlaceClass[] {
  const { framing } = dialects[source.dialect]
  const whole = createFramer(contentType, framing)
  const classes: { first: number; last: number }[] = []
  let count = 0
  let boundary = 0
  let before: string | null = null
  for (let place = 0; place <= bytes.length; place += 1) {
    const cut = place === 0 ? 0 : whole.push(bytes.slice(place - 1, place)).length
    if (cut > 0) boundary = place
    count += cut
    const framer = createFramer(contentType, framing)
    const from = bytes.length > CUT_WHOLE_MAX ? boundary : 0
    framer.push(bytes.slice(from, place))
    const last = [...(tail.length === 0 ? [] : framer.push(tail)), ...framer.end()]
    const signature = [count, ...last.map(essenceOf)].join('\n')
    const [open] = classes.slice(-1)
    if (open !== undefined && signature === before) open.last = place
    else classes.push({ first: place, last: place })
    before = signature
  }
  return classes
}

/** What of a message makes a difference. */
function essenceOf({ event, data }: Frame): string {
  if (data === '') return event === 'error' ? event : ''
  const isReadable = data.trim() === DONE_DATA || parseJson(data) !== undefined
  return `${event} ${isReadable ? data : 'broken off'}`
}
