// Turns samples into the two tables that the bench prints: every figure beside its ratio to the bare pass-through, and
// the aims beside what was reached.
import { GATEWAY_KIB_MAX } from '../../src/local/dry-run.ts'
import { BURST_PIECES, type CaseName } from './cases.ts'
import type { ColdStart } from './cold-start.ts'
import { figure, type Sample, type Samples } from './measure.ts'
import type { TargetName } from './targets.ts'

const TARGETS: readonly TargetName[] = ['direct', 'bare', 'pump', 'gateway']

function number(value: number, digits = 2): string {
  return Number.isFinite(value) ? value.toFixed(digits) : '–'
}

function table(rows: readonly (readonly string[])[]): string[] {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => (row[column] ?? '').length)))
  const line = (row: readonly string[]): string =>
    row
      .map((cell, column) => (column === 0 ? cell.padEnd(widths[0] ?? 0) : cell.padStart(widths[column] ?? 0)))
      .join('  ')
  return rows.map(line)
}

const HEADINGS = [
  'case',
  'target',
  'per s',
  'x bare',
  'CPU s/1000',
  'x bare',
  'p50 ms',
  'p95',
  'p99',
  'TTFT p50',
  'p95',
]

function caseRows(samples: Samples, name: CaseName): string[][] {
  const of = (target: TargetName, read: (one: Sample) => number): number => figure(samples, name, target, read)
  return TARGETS.map((target) => {
    const perSecond = of(target, (one) => one.perSecond)
    // Between paced pieces the processes idle, and what they do meanwhile would be counted as the stream's.
    const cpuOf = (who: TargetName): number =>
      name.endsWith('paced') ? Number.NaN : of(who, (one) => one.cpuPerThousand)
    const cpu = cpuOf(target)
    return [
      name,
      target,
      number(perSecond, 0),
      number(perSecond / of('bare', (one) => one.perSecond)),
      number(cpu, 3),
      number(cpu / cpuOf('bare')),
      number(of(target, (one) => one.whole.p50)),
      number(of(target, (one) => one.whole.p95)),
      number(of(target, (one) => one.whole.p99)),
      number(of(target, (one) => one.content.p50)),
      number(of(target, (one) => one.content.p95)),
    ]
  })
}

/** Every case on every target, medians over the rounds. */
export function figures(samples: Samples): string[] {
  return table([HEADINGS, ...[...samples.keys()].flatMap((name) => caseRows(samples, name))])
}

interface Aim {
  readonly what: string
  readonly value: number
  readonly limit: number
  readonly unit: string
  readonly isAtLeast?: boolean
}

/** The gateway's figure for each one of the bare pass-through's, or of the pump's. */
function ratio(
  samples: Samples,
  name: CaseName,
  read: (one: Sample) => number,
  over: 'bare' | 'pump' = 'bare',
): number {
  return figure(samples, name, 'gateway', read) / figure(samples, name, over, read)
}

function added(samples: Samples, name: CaseName, over: TargetName, read: (one: Sample) => number): number {
  return figure(samples, name, 'gateway', read) - figure(samples, name, over, read)
}

function aimsOf(samples: Samples): Aim[] {
  const cpu = (one: Sample): number => one.cpuPerThousand
  const ttft = (one: Sample): number => one.content.p50
  const times = (what: string, name: CaseName, limit: number): Aim => {
    return { what, value: ratio(samples, name, cpu), limit, unit: 'x' }
  }
  /** What the chunks of a stream cost: all of it but what a request costs that has none. */
  const chunksOf = (target: TargetName, stream: CaseName, whole: CaseName): number =>
    figure(samples, stream, target, cpu) - figure(samples, whole, target, cpu)
  const chunks = (what: string, stream: CaseName, whole: CaseName): Aim => {
    return { what, value: chunksOf('gateway', stream, whole) / chunksOf('pump', stream, whole), limit: 1.15, unit: 'x' }
  }
  const pumped = (what: string, name: CaseName): Aim => {
    return { what, value: ratio(samples, name, cpu, 'pump'), limit: 1.15, unit: 'x' }
  }
  const added50 = (one: Sample): number => one.whole.p50
  return [
    {
      what: 'requests/s, concurrency 16',
      value: ratio(samples, 'small-c16', (one) => one.perSecond),
      limit: 0.65,
      unit: 'x',
      isAtLeast: true,
    },
    times('CPU per request, concurrency 16', 'small-c16', 1.6),
    times('CPU per request of 70 KB', 'large-c16', 1.4),
    {
      what: 'p50 added over bare, concurrency 1',
      value: added(samples, 'small-c1', 'bare', added50),
      limit: 0.45,
      unit: ' ms',
    },
    {
      what: 'TTFT added over bare, native lane',
      value: added(samples, 'native-paced', 'bare', ttft),
      limit: 1.5,
      unit: ' ms',
    },
    {
      what: 'TTFT added over bare, translated lane',
      value: added(samples, 'translated-paced', 'bare', ttft),
      limit: 1.5,
      unit: ' ms',
    },
    times('CPU of a 100-chunk stream, concurrency 1', 'native-burst-c1', 3.3),
    times('CPU of a 100-chunk stream, concurrency 16', 'native-burst-c16', 3.3),
    pumped('the same beside a counting pump, concurrency 1', 'native-burst-c1'),
    pumped('the same beside a counting pump, concurrency 16', 'native-burst-c16'),
    chunks('its chunks alone beside a counting pump, concurrency 1', 'native-burst-c1', 'small-c1'),
    chunks('its chunks alone beside a counting pump, concurrency 16', 'native-burst-c16', 'small-c16'),
  ]
}

function aimRow(aim: Aim): string[] {
  const isMet = aim.isAtLeast === true ? aim.value >= aim.limit : aim.value <= aim.limit
  const limit = `${aim.isAtLeast === true ? '≥' : '≤'} ${aim.limit}${aim.unit}`
  return [aim.what, `${number(aim.value)}${aim.unit}`, limit, isMet ? 'met' : 'missed']
}

/** What was aimed at and what was reached, for whatever was measured. */
export function aims(samples: Samples, cold: ColdStart | null): string[] {
  const size =
    cold === null
      ? []
      : [{ what: 'loaded to start, gzip', value: cold.gatewayKib, limit: GATEWAY_KIB_MAX, unit: ' KiB' }]
  const measured = [...aimsOf(samples), ...size].filter((aim) => Number.isFinite(aim.value))
  return table([['aim', 'reached', 'limit', ''], ...measured.map(aimRow)])
}

/** What has no aim: latency added over the provider alone, CPU of one chunk, cold start. */
export function notes(samples: Samples, cold: ColdStart | null): string[] {
  const lines: string[] = []
  const over = (target: TargetName): string => {
    const reads = [(one: Sample) => one.whole.p50, (one: Sample) => one.whole.p95, (one: Sample) => one.whole.p99]
    return reads.map((read) => number(added(samples, 'small-c1', target, read))).join(' / ')
  }
  if (samples.has('small-c1')) {
    lines.push(
      `Added p50 / p95 / p99 at concurrency 1: ${over('direct')} ms over direct, ${over('bare')} ms over bare.`,
    )
  }
  for (const name of ['native-burst-c1', 'native-burst-c16', 'translated-burst-c1'] as const) {
    const microseconds = (target: TargetName): string =>
      number((figure(samples, name, target, (one) => one.cpuPerThousand) * 1000) / BURST_PIECES, 1)
    if (samples.has(name))
      lines.push(`CPU of one chunk, ${name}: gateway ${microseconds('gateway')} µs, bare ${microseconds('bare')} µs.`)
  }
  if (cold !== null) {
    lines.push(
      `Cold start, a fresh isolate's first answer: gateway ${number(cold.gatewayMs, 1)} ms, empty Worker ${number(cold.emptyMs, 1)} ms.`,
    )
  }
  return lines
}
