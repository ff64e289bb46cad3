// A line for each model: how it stands, how fast it is, what it costs.
import { Count, Money } from '../parts/figures.tsx'
import { formatDuration, formatShare } from '../parts/format.ts'
import type { ModelLine } from './models-data.ts'

/** Beyond this an error rate stands out. */
const ERROR_RATE_SHOWN = 0.01

interface ModelsTableProps {
  readonly lines: readonly ModelLine[]
  readonly compared: readonly string[]
  readonly onChoose: (id: string, isChosen: boolean) => void
}

export function ModelsTable({ lines, compared, onChoose }: ModelsTableProps) {
  return (
    <div class="table-scroll" tabIndex={0} role="region" aria-label="Models">
      <table class="models-table">
        <thead>
          <tr>
            <th scope="col">Model</th>
            <th scope="col">State</th>
            <th scope="col" class="number">
              Requests
            </th>
            <th scope="col" class="number">
              Errors
            </th>
            <th scope="col" class="number" title="The median, and what 95 of 100 don’t exceed">
              First token, p50 / p95
            </th>
            <th scope="col" class="number" title="The median, and what 95 of 100 don’t exceed">
              Whole answer, p50 / p95
            </th>
            <th scope="col" class="number">
              Tokens/s
            </th>
            <th scope="col" class="number">
              Cost per 1K tokens
            </th>
            <th scope="col" class="number">
              Spend
            </th>
          </tr>
        </thead>
        <tbody>
          {lines.map((line) => (
            <Line key={line.id} line={line} isChosen={compared.includes(line.id)} onChoose={onChoose} />
          ))}
        </tbody>
      </table>
    </div>
  )
}

interface LineProps {
  readonly line: ModelLine
  readonly isChosen: boolean
  readonly onChoose: ModelsTableProps['onChoose']
}

function Line({ line, isChosen, onChoose }: LineProps) {
  const { id, model, provider, state, requests, errorRate, perThousandNanoUsd } = line
  return (
    <tr>
      <th scope="row" class="cell-name">
        <label class="choice">
          <input
            type="checkbox"
            checked={isChosen}
            aria-label={`Compare ${id}`}
            onChange={(event) => onChoose(id, event.currentTarget.checked)}
          />
          <span>
            <span class="name" title={model}>
              {model}
            </span>
            <span class="context">{provider}</span>
          </span>
        </label>
      </th>
      <td class="cell-state">
        <span class={`badge ${state.tone}`} title={state.why}>
          {state.text}
        </span>
      </td>
      <td class="number" data-label="Requests">
        <Count count={requests} />
      </td>
      <td class={errorRate !== null && errorRate > ERROR_RATE_SHOWN ? 'number warned' : 'number'} data-label="Errors">
        {errorRate === null ? '–' : formatShare(errorRate, 1)}
      </td>
      <td class="number" data-label="First token, p50 / p95">
        {pairText(line.ttftP50Ms, line.ttftP95Ms)}
      </td>
      <td class="number" data-label="Whole answer, p50 / p95">
        {pairText(line.latencyP50Ms, line.latencyP95Ms)}
      </td>
      <td class="number" data-label="Tokens per second">
        {line.tokensPerSecond === null ? '–' : Math.round(line.tokensPerSecond)}
      </td>
      <td class="number" data-label="Cost per 1K tokens">
        {perThousandNanoUsd === null ? '–' : <Money nanoUsd={perThousandNanoUsd} />}
      </td>
      <td class="number strong" data-label="Spend">
        <Money nanoUsd={line.costNanoUsd} />
      </td>
    </tr>
  )
}

function pairText(p50: number | null, p95: number | null): string {
  return p50 === null ? '–' : `${formatDuration(p50)} / ${formatDuration(p95)}`
}
