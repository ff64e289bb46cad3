// Events as a gateway sends them to the ledger, and a ledger to take them: ids of their time, messages as limiters make them.
import type { UsageBatch, UsageEvent } from '../../src/core/money/usage-event.ts'
import { packEvent } from '../../src/core/money/usage-event.ts'
import { type Delivery, consume } from '../../src/ledger/consume.ts'
import { usageEvent } from './usage-events.ts'

/** A request id made at `ms`: UUIDv7, the same for the same number. */
export function idAt(ms: number, number: number): string {
  const time = ms.toString(16).padStart(12, '0')
  const rest = number.toString(16).padStart(12, '0')
  return `${time.slice(0, 8)}-${time.slice(8)}-7000-8000-${rest}`
}

/** An answered event that started at `ms`. */
export function eventAt(ms: number, number: number, fields: Partial<UsageEvent> = {}): UsageEvent {
  return usageEvent(idAt(ms, number), {
    startedAtMs: ms,
    tenantId: 'ten_a',
    keyId: 'key_1',
    provider: 'openai',
    model: 'gpt-4o',
    route: 'route_1',
    cache: 'miss',
    usage: {
      input: 10,
      cacheRead: 0,
      cacheWrite: 0,
      cacheWriteLong: 0,
      output: 20,
      reasoning: 0,
      audioInput: 0,
      audioOutput: 0,
    },
    costNanoUsd: 1000,
    latencyMs: 800,
    ...fields,
  })
}

/** Messages of `size` events of one tenant each. */
export function messagesOf(events: readonly UsageEvent[], size: number, firstId = 1): UsageBatch[] {
  const tenants = [...new Set(events.map((event) => event.tenantId))]
  let outboxId = firstId
  return tenants.flatMap((tenantId) => {
    const own = events.filter((event) => event.tenantId === tenantId)
    return Array.from({ length: Math.ceil(own.length / size) }, (_, at) => {
      const packed = own.slice(at * size, (at + 1) * size).map(packEvent)
      return { v: 1, tenantId, outboxId: outboxId++, events: `[${packed.join(',')}]` } as const
    })
  })
}

/** Delivers messages together, as one batch of the queue; fails where one isn't taken. */
export async function deliverAll(db: D1Database, messages: readonly UsageBatch[], nowMs: number): Promise<void> {
  const problems: unknown[] = []
  const deliveries = messages.map((body): Delivery => {
    return {
      id: String(body.outboxId),
      body,
      attempts: 1,
      ack() {},
      retry: () => void problems.push(`message ${body.outboxId} is to come again`),
    }
  })
  const log = (line: unknown): void => void problems.push(line)
  await consume(deliveries, 'usage', { db, nowMs: () => nowMs, confirm: async () => {}, log })
  if (problems.length > 0) throw new Error(JSON.stringify(problems))
}
