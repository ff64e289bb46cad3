// Takes messages from the usage Queue into the ledger: each exactly once, none lost, none in an endless loop. What is
// durable is confirmed to the tenant's limiter, which forgets it; what isn't confirmed, the limiter sends again.
import { applyBatch, applyBatches } from './apply-batch.ts'
import { storeDeadLetter } from './dead-letters.ts'
import { type ReadableBatch, readBatch, readOrigin } from './read-batch.ts'

/** One delivered message: the part of the platform's `Message` that is used. */
export interface Delivery {
  readonly id: string
  readonly body: unknown
  readonly attempts: number
  ack(): void
  retry(options: { readonly delaySeconds: number }): void
}

/** A message that is in the ledger. `isNew`: by this delivery. */
export interface Booked {
  readonly message: Delivery
  readonly batch: ReadableBatch
  readonly isNew: boolean
}

export interface LedgerPorts {
  readonly db: D1Database
  readonly nowMs: () => number
  /** Tells a tenant's limiter which of its outbox rows are durable. May fail: unconfirmed rows come again. */
  readonly confirm: (tenantId: string, outboxIds: readonly number[]) => Promise<void>
  readonly log: (line: Readonly<Record<string, string | number>>) => void
  /** Whether there are watched routes or revisions, whose calls are to be counted. Missing: there are none. */
  readonly countsWatched?: boolean
  /** Tells others of what is in the ledger, and says which messages may be let go of. Must not reject. Missing: nobody is
   *  told. */
  readonly tell?: (booked: readonly Booked[]) => Promise<(message: Delivery) => boolean>
  /** Hears whose events are in the ledger since this delivery, once a batch. Must not throw. Missing: nobody looks. */
  readonly noteBooked?: (batches: readonly ReadableBatch[]) => void
}

/** The usage Queue, or the queue of messages it gave up on. */
export type Source = 'usage' | 'dead'

/** A message that may be applied. */
interface Readable {
  readonly message: Delivery
  readonly batch: ReadableBatch
}

const DELAY_SECONDS_MAX = 3600
/** JSON text of the events that are applied together, unless one message alone has more. D1 binds 2 MB. */
const TOGETHER_CHARS_MAX = 500_000

/** How long to wait before a message is tried again: 2, 4, 8, … seconds, at most an hour. */
export function retryDelaySeconds(attempts: number): number {
  return Math.min(2 ** Math.min(Math.max(attempts, 1), 12), DELAY_SECONDS_MAX)
}

/**
 * Applies every message, tells of those that are in the ledger, and acknowledges or retries each. Messages are applied
 * together; where that fails, each for itself, so that one bad message never holds up the others: a message that can never
 * be applied becomes a dead letter. From the dead-letter queue, where there is no later, so does one that still fails for
 * any reason; that one isn't confirmed, so the limiter sends it again. Returns whether there were alerts among them.
 */
export async function consume(messages: readonly Delivery[], source: Source, ports: LedgerPorts): Promise<boolean> {
  const durable = new Map<string, number[]>()
  const note = ({ body }: Delivery): void => {
    const origin = readOrigin(body)
    if (origin !== null) durable.set(origin.tenantId, [...(durable.get(origin.tenantId) ?? []), origin.outboxId])
  }
  const readable: Readable[] = []
  const booked: Booked[] = []
  for (const message of messages) {
    const batch = readBatch(message.body)
    if (batch.ok) readable.push({ message, batch: batch.value })
    else if (await bury(message, batch.error, ports)) note(message)
  }
  for (const group of groups(readable)) {
    const areApplied = await applyTogether(group, ports)
    if (areApplied) booked.push(...group.map((one) => ({ ...one, isNew: true })))
    for (const one of group) if (areApplied || (await applyAlone(one, source, ports, booked))) note(one.message)
  }
  const added = booked.flatMap(({ batch, isNew }) => (isNew ? [batch] : []))
  if (added.length > 0) ports.noteBooked?.(added)
  await Promise.all([...durable].map(([tenantId, outboxIds]) => confirmQuietly(tenantId, outboxIds, ports)))
  const mayGo = booked.length === 0 ? undefined : await ports.tell?.(booked)
  for (const { message } of booked) {
    if (mayGo === undefined || mayGo(message)) message.ack()
    else message.retry({ delaySeconds: retryDelaySeconds(message.attempts) })
  }
  return readable.some(({ batch }) => batch.alerts.length > 0)
}

/** In their order, as many together as may be. */
function groups(readable: readonly Readable[]): readonly (readonly Readable[])[] {
  const all: Readable[][] = []
  let chars = Infinity
  for (const one of readable) {
    chars += one.batch.rows.length
    if (chars > TOGETHER_CHARS_MAX) {
      all.push([])
      chars = one.batch.rows.length
    }
    all.at(-1)?.push(one)
  }
  return all
}

/** Returns whether all are safe in the database; if not, none was changed. */
async function applyTogether(group: readonly Readable[], ports: LedgerPorts): Promise<boolean> {
  if (group.length === 1) return false
  const batches = group.map(({ batch }) => batch)
  const applied = await applyBatches(ports.db, batches, ports.nowMs(), ports.countsWatched)
  return applied.kind === 'applied'
}

/** Returns whether the message is safe in the database; as events, it is then among `booked`. */
async function applyAlone(
  { message, batch }: Readable,
  source: Source,
  ports: LedgerPorts,
  booked: Booked[],
): Promise<boolean> {
  const applied = await applyBatch(ports.db, batch, ports.nowMs(), ports.countsWatched)
  switch (applied.kind) {
    case 'applied':
    case 'already-applied':
      booked.push({ message, batch, isNew: applied.kind === 'applied' })
      return true
    case 'refused':
      return bury(message, applied.reason, ports)
    case 'unavailable':
      if (source === 'dead') {
        await bury(message, applied.reason, ports)
        return false
      }
      retryLater(message, applied.reason, ports)
      return false
  }
}

async function bury(message: Delivery, reason: string, ports: LedgerPorts): Promise<boolean> {
  try {
    await storeDeadLetter(ports.db, { messageId: message.id, body: message.body, reason }, ports.nowMs())
  } catch (error) {
    retryLater(message, String(error), ports)
    return false
  }
  ports.log({ event: 'usage-dead-letter', message: message.id, reason })
  message.ack()
  return true
}

function retryLater(message: Delivery, reason: string, ports: LedgerPorts): void {
  const delaySeconds = retryDelaySeconds(message.attempts)
  ports.log({ event: 'usage-retry', message: message.id, attempts: message.attempts, delaySeconds, reason })
  message.retry({ delaySeconds })
}

async function confirmQuietly(tenantId: string, outboxIds: readonly number[], ports: LedgerPorts): Promise<void> {
  try {
    await ports.confirm(tenantId, outboxIds)
  } catch (error) {
    ports.log({ event: 'usage-unconfirmed', tenant: tenantId, rows: outboxIds.length, reason: String(error) })
  }
}
