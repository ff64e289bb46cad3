// The reference of the API: its endpoints by area as the description has them, with what each takes, answers and refuses.
import { useState } from 'preact/hooks'
import { CopyButton } from '../parts/copy-button.tsx'
import { useFeed } from '../live/feed.ts'
import { type Desk, PageFrame } from '../frame/page-frame.tsx'
import { Nothing, Panel, Pending } from '../frame/panel.tsx'
import {
  type ApiDescription,
  type ApiParameter,
  type Endpoint,
  allowedText,
  areasOf,
  curlOf,
  fieldsOf,
} from './reference-data.ts'

const DESCRIPTION = '/dashboard/openapi.json'
/** It changes with a deployment at most. */
const EVERY_MS = 3_600_000

export function ReferencePage({ desk }: { readonly desk: Desk }) {
  const { api } = desk
  const feed = useFeed({
    key: 'reference',
    load: (signal) => api.read<ApiDescription>(DESCRIPTION, ['tags'], signal),
    isPaused: false,
    everyMs: EVERY_MS,
  })
  const [sought, setSought] = useState('')
  const areas = feed.data === null ? [] : areasOf(feed.data, sought.trim())
  return (
    <PageFrame desk={desk} title="API reference" feeds={[feed]} aside={<a href={DESCRIPTION}>OpenAPI 3.1</a>}>
      <div class="field reference-search">
        <label for="reference-search">Search endpoints</label>
        <input
          id="reference-search"
          class="input"
          type="search"
          value={sought}
          onInput={(event) => setSought(event.currentTarget.value)}
        />
      </div>
      {feed.data === null && <Pending feed={feed} lines={8} />}
      {feed.data !== null && areas.length === 0 && <Nothing>No endpoint has these words.</Nothing>}
      {areas.map(({ name, endpoints }) => (
        <Panel key={name} title={name} name="reference">
          {endpoints.map((endpoint) => (
            <EndpointItem key={endpoint.operationId} endpoint={endpoint} description={feed.data} />
          ))}
        </Panel>
      ))}
    </PageFrame>
  )
}

interface EndpointProps {
  readonly endpoint: Endpoint
  readonly description: ApiDescription | null
}

function EndpointItem({ endpoint, description }: EndpointProps) {
  const [isOpen, setIsOpen] = useState(false)
  return (
    <details class="reference-item" onToggle={(event) => setIsOpen(event.currentTarget.open)}>
      <summary>
        <span class="badge">{endpoint.method}</span> <code>{endpoint.path}</code>{' '}
        <span class="context">{endpoint.summary}</span>
      </summary>
      {isOpen && description !== null && <EndpointDetail endpoint={endpoint} description={description} />}
    </details>
  )
}

function EndpointDetail({
  endpoint,
  description,
}: {
  readonly endpoint: Endpoint
  readonly description: ApiDescription
}) {
  const schema = endpoint.requestBody?.content['application/json']?.schema
  const curl = curlOf(endpoint, description, location.origin)
  const fields = schema === undefined ? [] : fieldsOf(schema, description)
  const parameters = (endpoint.parameters ?? []).map((one) => lineOf(one, description))
  const answers = Object.entries(endpoint.responses).map(([status, told]) => ({
    ...{ name: status, isRequired: false, allowed: told.description },
  }))
  return (
    <div class="reference-detail">
      {endpoint.description !== undefined && <p>{endpoint.description}</p>}
      <Lines title="Parameters" lines={parameters} />
      <Lines title="Body" lines={fields} />
      <Lines title="Answers" lines={answers} />
      <h3>Example</h3>
      <pre class="reference-example" tabIndex={0}>
        <code>{curl}</code>
      </pre>
      <CopyButton text={curl} />
    </div>
  )
}

function lineOf(parameter: ApiParameter, description: ApiDescription) {
  const told = parameter.description ?? allowedText(parameter.schema, description)
  return { name: parameter.name, isRequired: parameter.required === true, allowed: `${parameter.in}: ${told}` }
}

interface LinesProps {
  readonly title: string
  readonly lines: readonly { readonly name: string; readonly isRequired: boolean; readonly allowed: string }[]
}

function Lines({ title, lines }: LinesProps) {
  if (lines.length === 0) return null
  return (
    <>
      <h3>{title}</h3>
      <dl class="reference-lines">
        {lines.map(({ name, isRequired, allowed }) => (
          <div key={name}>
            <dt>
              <code>{name}</code> {isRequired && <span class="badge">required</span>}
            </dt>
            <dd>{allowed}</dd>
          </div>
        ))}
      </dl>
    </>
  )
}
