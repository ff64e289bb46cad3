// What is different between two configurations, item by item: what it was, what it is, signed as well as coloured.
import { type ApiItemChange, changeText, valueText } from './configuration-data.ts'
import { Nothing } from '../frame/panel.tsx'

const SIGNS = { create: '+', update: '±', delete: '−' } as const

export function Changes({ changes }: { readonly changes: readonly ApiItemChange[] }) {
  if (changes.length === 0) return <Nothing>Nothing that is kept.</Nothing>
  return (
    <dl class="diff items">
      {changes.map((change) => (
        <div key={`${change.section} ${change.name}`} class={change.action}>
          <dt>
            <span class="sign" aria-hidden="true">
              {SIGNS[change.action]}
            </span>{' '}
            {changeText(change)}
          </dt>
          <dd>
            {change.fields.map(({ field, before, after }) => (
              <div key={field} class="field-change">
                <span class="field-name">{field}</span>
                {before !== undefined && <del>{valueText(before)}</del>}
                {after !== undefined && <ins>{valueText(after)}</ins>}
              </div>
            ))}
          </dd>
        </div>
      ))}
    </dl>
  )
}
