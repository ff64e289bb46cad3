// The usage consumer behind a queue that loses, doubles, delays and reorders, in front of a D1 that is away at times. The
// consumer itself is the real one. What happens to a batch is for the control to say.
import consumer from '../../src/usage-consumer.ts'
import type { UsageEnv } from '../../src/env.ts'
import { askControl } from './ask-control.ts'

interface Env extends UsageEnv {
  readonly CONTROL_URL: string
}

type Messages = MessageBatch<unknown>['messages']

const KEPT_MAX = 50
/** Bodies that were delivered before, to be delivered again. */
let earlier: unknown[] = []

async function queue(batch: MessageBatch<unknown>, env: Env, context: ExecutionContext): Promise<void> {
  const fate = await askControl(env, 'delivered')
  const run = (messages: Messages): Promise<void> =>
    consumer.queue({ ...plain(batch), messages }, faultyEnv(env, fate === 'd1-away'), context)
  const bodies = batch.messages.map(({ body }) => body)
  earlier = [...earlier, ...bodies].slice(-KEPT_MAX)
  switch (fate) {
    case 'die':
      throw new Error('the consumer died before it began')
    case 'lose':
      return batch.ackAll()
    case 'delay':
      return batch.retryAll({ delaySeconds: 3 })
    case 'double':
      await Promise.all([run(batch.messages), run(batch.messages.map(copyOf))])
      return
    case 'repeat':
      await run([...batch.messages, ...earlier.map((body, at) => copyOf({ ...NOBODY, id: `again-${at}`, body }))])
      return
    case 'reorder': {
      const turned = batch.messages.toReversed()
      const half = Math.ceil(turned.length / 2)
      for (const message of turned.slice(half)) message.retry({ delaySeconds: 1 })
      await run(turned.slice(0, half))
      return
    }
    default:
      await run(batch.messages)
      if ((await askControl(env, 'applied')) === 'die') throw new Error('the consumer died before its acknowledgement')
  }
}

const NOBODY = { timestamp: new Date(0), attempts: 1 }

/** The same message as another delivery: whatever becomes of it is nothing to the queue. */
function copyOf({ id, body, timestamp, attempts }: Pick<Message, 'id' | 'body' | 'timestamp' | 'attempts'>): Message {
  return { id, body, timestamp, attempts, ack: () => undefined, retry: () => undefined }
}

function plain(batch: MessageBatch<unknown>): MessageBatch<unknown> {
  const { queue: name, messages, metadata } = batch
  return { queue: name, messages, metadata, ackAll: () => undefined, retryAll: () => undefined }
}

function faultyEnv(env: Env, isAway: boolean): UsageEnv {
  return { ...env, DB: faultyDatabase(env, isAway), TENANT_LIMITER: faultyLimiter(env) }
}

function faultyDatabase(env: Env, isAway: boolean): D1Database {
  return new Proxy(env.DB, {
    get(db, name) {
      if (isAway) throw new Error('D1_ERROR: Network connection lost.')
      if (name === 'prepare') return (query: string) => db.prepare(query)
      if (name !== 'batch') return Reflect.get(db, name)
      return async (statements: D1PreparedStatement[]) => {
        await askControl(env, 'before-d1')
        const results = await db.batch(statements)
        await askControl(env, 'after-d1')
        return results
      }
    },
  })
}

function faultyLimiter(env: Env): Env['TENANT_LIMITER'] {
  return new Proxy(env.TENANT_LIMITER, {
    get(limiters, name) {
      if (name === 'idFromName') return (tenantId: string) => limiters.idFromName(tenantId)
      if (name !== 'get') return Reflect.get(limiters, name)
      return (id: DurableObjectId) => ({
        async confirm(outboxIds: readonly number[]) {
          if ((await askControl(env, 'confirm')) === 'fail') throw new Error('Network connection lost.')
          return limiters.get(id).confirm(outboxIds)
        },
      })
    },
  })
}

export default { ...consumer, queue } satisfies ExportedHandler<Env>
