// What is different between two documents: things that are made, changed or gone, and of those that change each field.
import { type DocumentView, type Item, isSame } from './view.ts'

/** One field of a thing that changes; what isn't said is missing. */
export interface FieldChange {
  /** As in `limits.budget.amount_usd`. */
  readonly field: string
  readonly before?: unknown
  readonly after?: unknown
}

/** One thing that is made, changed or gone. */
export interface ItemChange {
  readonly action: 'create' | 'update' | 'delete'
  readonly section: keyof DocumentView
  /** What tells it from others of its section. */
  readonly name: string
  readonly fields: readonly FieldChange[]
}

const SECTIONS = [
  'tenants',
  'teams',
  'credentials',
  'targets',
  'keys',
  'routes',
  'presets',
  'prices',
  'alert_channels',
  'alert_rules',
  'switches',
] as const satisfies readonly (keyof DocumentView)[]

/** What leads from one document to another, section by section. */
export function differences(before: DocumentView, after: DocumentView): readonly ItemChange[] {
  return SECTIONS.flatMap((section) => {
    const [then, now] = [byName(section, before[section]), byName(section, after[section])]
    const names = [...new Set([...then.keys(), ...now.keys()])]
    return names.flatMap((name): readonly ItemChange[] => {
      const [was, is] = [then.get(name), now.get(name)]
      if (isSame(was, is)) return []
      const action = was === undefined ? 'create' : is === undefined ? 'delete' : 'update'
      return [{ action, section, name, fields: fieldChanges(was ?? {}, is ?? {}) }]
    })
  })
}

/** What a thing is called within its section. */
export function nameOf(section: keyof DocumentView, item: Item): string {
  const of = (...fields: readonly string[]) =>
    fields.flatMap((field) => (typeof item[field] === 'string' ? [item[field]] : []))
  switch (section) {
    case 'tenants':
    case 'alert_channels':
    case 'credentials':
      return of('name').join('')
    case 'teams':
    case 'keys':
      return of('tenant', 'name').join('/')
    case 'targets':
      return of('id').join('')
    case 'routes':
      return [...of('model'), ...of('tenant').map((tenant) => `(${tenant})`)].join(' ')
    case 'presets':
      return [...of('name'), ...of('tenant').map((tenant) => `(${tenant})`)].join(' ')
    case 'prices':
      return [of('provider', 'model').join('/'), ...of('tenant').map((tenant) => `(${tenant})`), ...of('from')].join(
        ' ',
      )
    case 'alert_rules':
      return of('tenant')[0] ?? 'everybody'
    case 'switches':
      return of('kind', 'id').join(' ')
  }
}

function byName(section: keyof DocumentView, items: readonly Item[]): ReadonlyMap<string, Item> {
  const named = new Map<string, Item>()
  // Several prices of the same moment are told apart by their order.
  for (const item of items) {
    const name = nameOf(section, item)
    let unique = name
    for (let nth = 2; named.has(unique); nth++) unique = `${name} #${nth}`
    named.set(unique, item)
  }
  return named
}

function fieldChanges(before: Item, after: Item, path = ''): readonly FieldChange[] {
  const names = [...new Set([...Object.keys(before), ...Object.keys(after)])]
  return names.flatMap((name): readonly FieldChange[] => {
    const [was, is] = [before[name], after[name]]
    if (isSame(was, is)) return []
    const field = path === '' ? name : `${path}.${name}`
    if (isItem(was) && isItem(is)) return fieldChanges(was, is, field)
    return [{ field, ...(was === undefined ? {} : { before: was }), ...(is === undefined ? {} : { after: is }) }]
  })
}

function isItem(value: unknown): value is Item {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
