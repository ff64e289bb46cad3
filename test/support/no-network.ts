// Makes every attempt of a Node process to leave the machine fail loudly. Every process that a run of `npm test` starts loads it
// first, those that tests start included; the `workers` project refuses outbound fetches in vitest.config.ts.
import dgram from 'node:dgram'
import dns from 'node:dns'
import { syncBuiltinESMExports } from 'node:module'
import net from 'node:net'

const LOOPBACK = new Set(['localhost', '127.0.0.1', '::1', '0.0.0.0', '::', '::ffff:127.0.0.1'])

/** Whether a host names this machine. An absent host does: Node then connects to localhost. */
export function isLoopback(host: string | undefined): boolean {
  return host === undefined || host === '' || LOOPBACK.has(host.toLowerCase()) || host.startsWith('127.')
}

function refuse(host: string): never {
  throw new Error(`Tests run offline, but one tried to reach ${host}`)
}

/** The host that a call of `Socket.connect` names, in any of its argument forms; nothing for a local pipe. */
function hostOf(args: readonly unknown[]): string | undefined {
  const first: unknown = Array.isArray(args[0]) ? args[0][0] : args[0]
  if (typeof first === 'object' && first !== null && 'host' in first) {
    return typeof first.host === 'string' ? first.host : undefined
  }
  return typeof first === 'number' && typeof args[1] === 'string' ? args[1] : undefined
}

net.Socket.prototype.connect = new Proxy(net.Socket.prototype.connect, {
  apply(target, socket, args: unknown[]) {
    const host = hostOf(args)
    if (!isLoopback(host)) refuse(String(host))
    return Reflect.apply(target, socket, args)
  },
})

dgram.Socket.prototype.send = new Proxy(dgram.Socket.prototype.send, {
  apply(target, socket, args: unknown[]) {
    const host = args.slice(1).find((arg) => typeof arg === 'string')
    if (!isLoopback(host)) refuse(String(host))
    return Reflect.apply(target, socket, args)
  },
})

// However a name is looked up, it is named first.
for (const asking of [dns, dns.promises]) {
  for (const name of Object.keys(asking).filter((key) => /^(lookup|resolve|reverse)/.test(key))) {
    const ask: unknown = Reflect.get(asking, name)
    if (typeof ask !== 'function') continue
    const nearOnly = new Proxy(ask, {
      apply(target, self, args: unknown[]) {
        if (typeof args[0] === 'string' && !isLoopback(args[0])) refuse(args[0])
        return Reflect.apply(target, self, args)
      },
    })
    Reflect.set(asking, name, nearOnly)
  }
}
syncBuiltinESMExports()
