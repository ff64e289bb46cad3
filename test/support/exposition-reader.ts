// Reads Prometheus text as strictly as its format is written: one help and one type for each family, before its samples,
// which stand together; no series twice; histograms that only grow, end in `+Inf` and agree with their count; names that
// say their unit. https://prometheus.io/docs/instrumenting/exposition_formats/ and /docs/practices/naming/ (read 2026-11-21)

export interface ReadSample {
  readonly name: string
  readonly labels: Readonly<Record<string, string>>
  readonly value: number
}

export interface ReadFamily {
  readonly name: string
  readonly help: string
  readonly type: string
  readonly samples: readonly ReadSample[]
}

const NAME = /^[a-zA-Z_:][a-zA-Z0-9_:]*$/
const HELP = /^# HELP (\S+) (.+)$/
const TYPE = /^# TYPE (\S+) (counter|gauge|histogram)$/
const SAMPLE = /^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{([^\n]*)\})? (-?\d+(?:\.\d+)?|\+Inf|NaN)$/
const ABBREVIATED = /_(?:ms|s|us|ns|kb|mb|bytes_kib|nano|milliseconds|minutes|hours|percent)(?:_|$)/
const SUFFIXES = ['_bucket', '_sum', '_count']

/** Every family of a text. Throws for what is against the format. */
export function readExposition(text: string): readonly ReadFamily[] {
  if (!text.endsWith('\n')) throw new Error('the last line has no end')
  const families: { name: string; help: string; type: string; samples: ReadSample[] }[] = []
  let help: readonly [string, string] | null = null
  for (const line of text.slice(0, -1).split('\n')) {
    const [, helped, said = ''] = HELP.exec(line) ?? []
    const [, typed, type = ''] = TYPE.exec(line) ?? []
    if (helped !== undefined) {
      if (help !== null) throw new Error(`two helps in a row: ${line}`)
      help = [helped, said]
    } else if (typed !== undefined) {
      if (help?.[0] !== typed) throw new Error(`a type without its help: ${line}`)
      families.push({ name: typed, help: help[1], type, samples: [] })
      help = null
    } else {
      const family = families.at(-1)
      const sample = readSample(line)
      if (family === undefined || help !== null || !belongs(sample.name, family)) throw new Error(`astray: ${line}`)
      family.samples.push(sample)
    }
  }
  const names = families.map(({ name }) => name)
  if (new Set(names).size < names.length) throw new Error(`a family stands twice: ${names.join(', ')}`)
  families.forEach(check)
  return families
}

function belongs(name: string, family: { readonly name: string; readonly type: string }): boolean {
  if (family.type !== 'histogram') return name === family.name
  return SUFFIXES.some((suffix) => name === family.name + suffix)
}

function readSample(line: string): ReadSample {
  const [, name = '', labels = '', value = ''] = SAMPLE.exec(line) ?? []
  if (name === '') throw new Error(`no sample: ${line}`)
  return { name, labels: readLabels(labels), value: value === '+Inf' ? Infinity : Number(value) }
}

function readLabels(text: string): Readonly<Record<string, string>> {
  const labels: Record<string, string> = {}
  let rest = text
  while (rest !== '') {
    const [whole = '', name = '', value = ''] =
      /^([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\[\\"n])*)"(?:,(?=[^\n])|$)/.exec(rest) ?? []
    if (whole === '') throw new Error(`not labels: ${rest}`)
    if (name.startsWith('__') || name in labels) throw new Error(`label ${name} of ${text}`)
    labels[name] = value.replace(/\\([^])/g, (_, char: string) => (char === 'n' ? '\n' : char))
    rest = rest.slice(whole.length)
  }
  return labels
}

function check(family: ReadFamily): void {
  const { name, type, samples } = family
  if (!NAME.test(name)) throw new Error(`not a name: ${name}`)
  if (samples.length === 0) throw new Error(`${name} has no samples`)
  if ((type === 'counter') !== name.endsWith('_total')) throw new Error(`${name} is a ${type}`)
  if (ABBREVIATED.test(name)) throw new Error(`${name} is in no base unit`)
  const series = samples.map((sample) => sample.name + keyOf(sample.labels))
  if (new Set(series).size < series.length) throw new Error(`${name} has a series twice`)
  const labelNames = new Set(samples.map(({ labels }) => Object.keys(without(labels, 'le')).toSorted().join(',')))
  if (labelNames.size > 1) throw new Error(`${name} has series of different labels`)
  for (const { value } of samples) if (type === 'counter' && !(value >= 0)) throw new Error(`${name} is ${value}`)
  if (type === 'histogram') checkHistogram(family)
}

function checkHistogram({ name, samples }: ReadFamily): void {
  for (const [key, own] of Map.groupBy(samples, ({ labels }) => keyOf(without(labels, 'le')))) {
    const buckets = own.filter((sample) => sample.name === `${name}_bucket`)
    const bounds = buckets.map(({ labels }) => (labels['le'] === '+Inf' ? Infinity : Number(labels['le'])))
    const isGrowing = (values: readonly number[], strictly: boolean): boolean =>
      values.every((value, at) => at === 0 || value > (values[at - 1] ?? 0) || (!strictly && value === values[at - 1]))
    if (bounds.at(-1) !== Infinity || !isGrowing(bounds, true)) throw new Error(`bounds of ${name}${key}`)
    const counts = buckets.map(({ value }) => value)
    if (!isGrowing(counts, false)) throw new Error(`${name}${key} shrinks`)
    const ends = ['_sum', '_count'].map((suffix) => own.filter((sample) => sample.name === name + suffix))
    if (ends.some((found) => found.length !== 1)) throw new Error(`${name}${key} lacks its sum or count`)
    if (ends[1]?.[0]?.value !== counts.at(-1)) throw new Error(`${name}${key} does not add up`)
  }
}

function without(labels: Readonly<Record<string, string>>, left: string): Readonly<Record<string, string>> {
  return Object.fromEntries(Object.entries(labels).filter(([name]) => name !== left))
}

function keyOf(labels: Readonly<Record<string, string>>): string {
  return JSON.stringify(Object.entries(labels).toSorted(([a], [b]) => (a < b ? -1 : 1)))
}
