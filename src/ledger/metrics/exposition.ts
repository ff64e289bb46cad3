// Families of metrics as Prometheus text, format 0.0.4: help and type once a family, its samples together, histograms
// cumulative with `+Inf`, `_sum` and `_count`. https://prometheus.io/docs/instrumenting/exposition_formats/ (read 2026-11-21)

export type Labels = Readonly<Record<string, string>>

/** Exact decimal text for what a number can't hold. */
export type Value = number | string

export interface Sample {
  readonly labels: Labels
  readonly value: Value
}

export interface HistogramSample {
  readonly labels: Labels
  /** For each bound, and one for what is beyond: how many were in that stretch alone. */
  readonly counts: readonly number[]
  readonly sum: Value
}

export type Family =
  | {
      readonly name: string
      readonly help: string
      readonly type: 'counter' | 'gauge'
      readonly samples: readonly Sample[]
    }
  | {
      readonly name: string
      readonly help: string
      readonly type: 'histogram'
      readonly bounds: readonly number[]
      readonly samples: readonly HistogramSample[]
    }

/** The text of all families; one without samples is left out. */
export function exposition(families: readonly Family[]): string {
  const lines = families.flatMap((family) => (family.samples.length === 0 ? [] : linesOf(family)))
  return `${lines.join('\n')}\n`
}

function linesOf(family: Family): readonly string[] {
  const { name, help, type } = family
  const head = [`# HELP ${name} ${escapeHelp(help)}`, `# TYPE ${name} ${type}`]
  if (family.type !== 'histogram') return [...head, ...family.samples.map((sample) => line(name, sample))]
  return [...head, ...family.samples.flatMap((sample) => histogramLines(name, family.bounds, sample))]
}

function histogramLines(name: string, bounds: readonly number[], { labels, counts, sum }: HistogramSample): string[] {
  let total = 0
  const buckets = [...bounds.map(String), '+Inf'].map((le, at) => {
    total += counts[at] ?? 0
    return line(`${name}_bucket`, { labels: { ...labels, le }, value: total })
  })
  return [...buckets, line(`${name}_sum`, { labels, value: sum }), line(`${name}_count`, { labels, value: total })]
}

function line(name: string, { labels, value }: Sample): string {
  const pairs = Object.entries(labels).map(([label, text]) => `${label}="${escapeLabel(text)}"`)
  return pairs.length === 0 ? `${name} ${value}` : `${name}{${pairs.join(',')}} ${value}`
}

function escapeLabel(text: string): string {
  return text.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n')
}

function escapeHelp(text: string): string {
  return text.replaceAll('\\', '\\\\').replaceAll('\n', '\\n')
}

/** Nano-USD, as text or a number, in USD: exact. */
export function usdOf(nanoUsd: Value): string {
  const [, sign = '', digits = '0'] = /^(-?)(\d+)$/.exec(String(nanoUsd)) ?? []
  const padded = digits.padStart(10, '0')
  return `${sign}${padded.slice(0, -9)}.${padded.slice(-9)}`
}
