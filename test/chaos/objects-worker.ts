// The Worker with the limiter objects: the real class, with a queue that asks the control what is to happen to it, its books to
// read, the limiters beside it, and a door through which gateways in other processes call it.
import { SideLimiter as RealSide, TenantLimiter as Real } from '../../durable-objects/index.ts'
import type { GatewayEnv } from '../../src/env.ts'
import { booksOf } from '../support/limiter-books.ts'
import { askControl } from './ask-control.ts'

interface Env extends GatewayEnv {
  readonly CONTROL_URL: string
}

export class TenantLimiter extends Real {
  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, { ...env, USAGE: faultyQueue(env) })
  }

  /** Its next life finds that every event is due: it sends one that is never confirmed less and less often. */
  async setForward(): Promise<void> {
    this.ctx.storage.sql.exec('UPDATE outbox SET send_at_ms = 0')
  }

  /** What is in this object's storage. */
  async books(): Promise<{
    readonly gauges: readonly string[]
    readonly leases: readonly string[]
    readonly outbox: number
  }> {
    const { gauges, leases, unconfirmed } = booksOf(this.ctx.storage.sql)
    const texts = (states: readonly object[]): string[] => states.map((state) => JSON.stringify(state))
    return { gauges: texts(gauges), leases: texts(leases), outbox: unconfirmed }
  }
}

export class SideLimiter extends RealSide {
  /** Rows of this object's storage. */
  async books(): Promise<{
    readonly owners: readonly { readonly id: string; readonly state: string }[]
    readonly leases: readonly string[]
  }> {
    const { sql } = this.ctx.storage
    const leases = [...sql.exec<{ state: string }>('SELECT state FROM lease')].map(({ state }) => state)
    return { owners: [...sql.exec<{ id: string; state: string }>('SELECT id, state FROM owner')], leases }
  }
}

function faultyQueue(env: Env): Env['USAGE'] {
  return new Proxy(env.USAGE, {
    get(queue, name) {
      if (name !== 'sendBatch') return Reflect.get(queue, name)
      return async (messages: Parameters<Env['USAGE']['sendBatch']>[0]) => {
        if ((await askControl(env, 'send')) === 'fail') throw new Error('Queue sendBatch failed: Too Many Requests')
        const sent = await queue.sendBatch(messages)
        await askControl(env, 'sent')
        return sent
      }
    },
  })
}

interface Call {
  /** Which class of objects. */
  readonly kind: 'tenant' | 'side'
  readonly name: string
  readonly method: string
  readonly args: readonly unknown[]
  /** Where in this call the process is to die. */
  readonly strike?: 'before' | 'after'
}

export default {
  async fetch(request: Request, env: Env): Promise<Response> {
    const { kind, name, method, args, strike } = await request.json<Call>()
    if (strike === 'before') await askControl(env, 'before-commit')
    const objects = kind === 'tenant' ? env.TENANT_LIMITER : env.SIDE_LIMITER
    const stub: object = objects.get(objects.idFromName(name))
    const called: unknown = Reflect.get(stub, method)
    if (typeof called !== 'function') return new Response(null, { status: 404 })
    const result: unknown = await Reflect.apply(called, stub, args)
    if (strike === 'after') await askControl(env, 'before-reply')
    return Response.json({ result })
  },
} satisfies ExportedHandler<Env>
