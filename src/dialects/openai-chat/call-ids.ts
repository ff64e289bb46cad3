// Ids of tool calls for a provider that takes nothing but nine letters and digits (Mistral). The same id always becomes the
// same, so that calls and results of a conversation stay together over its requests.

const LENGTH = 9
const FITTING = /^[a-zA-Z0-9]{9}$/
const DIGITS = 36

/** A map from ids to fitting ones, for one request: fitting ids stay, no two become one. */
export function callIdMap(): (id: string) => string {
  const known = new Map<string, string>()
  const taken = new Set<string>()
  return (id) => {
    const before = known.get(id)
    if (before !== undefined) return before
    let fitting = FITTING.test(id) ? id : digest(id)
    for (let salt = 1; taken.has(fitting); salt += 1) fitting = digest(`${id}#${salt}`)
    known.set(id, fitting)
    taken.add(fitting)
    return fitting
  }
}

/** FNV-1a over two lanes, in base 36. http://www.isthe.com/chongo/tech/comp/fnv/ */
function digest(id: string): string {
  let low = 0x811c9dc5
  let high = 0x01000193
  for (let at = 0; at < id.length; at += 1) {
    const code = id.charCodeAt(at)
    low = Math.imul(low ^ code, 0x01000193)
    high = Math.imul(high ^ code ^ at, 0x85ebca6b)
  }
  const text = (low >>> 0).toString(DIGITS).padStart(7, '0') + (high >>> 0).toString(DIGITS).padStart(7, '0')
  return text.slice(2, 2 + LENGTH)
}
