// The bare pass-through: the least that a Worker can do with a request, and so the limit that a gateway on workerd can
// approach. A process of its own, in the same kind of runtime as the gateway. Argument: the provider's origin.
import { convertV4MiniflareOptions, Miniflare } from 'miniflare'
import { endWorkerdWithThisProcess } from '../../src/local/reaper.ts'
import { endWithParent, tellParent } from './job.ts'

const PROGRAM = `export default {
  async fetch(request, env) {
    const { pathname } = new URL(request.url)
    const init = { method: request.method, headers: request.headers, body: request.body }
    const response = await fetch(env.PROVIDER + pathname, init)
    return new Response(response.body, response)
  },
}`

const [, , provider = ''] = process.argv
const mf = new Miniflare(
  convertV4MiniflareOptions({
    host: '127.0.0.1',
    port: 0,
    cf: false,
    telemetry: { enabled: false },
    logRequests: false,
    workers: [
      {
        name: 'bare',
        modules: [{ type: 'ESModule', path: 'bare.mjs', contents: PROGRAM }],
        compatibilityDate: '2026-10-23',
        compatibilityFlags: ['enable_request_signal'],
        bindings: { PROVIDER: provider },
        unsafeDirectSockets: [{ host: '127.0.0.1', port: 0 }],
      },
    ],
  }),
)
await mf.ready
await endWorkerdWithThisProcess()
endWithParent(() => mf.dispose())
tellParent({ url: (await mf.unsafeGetDirectURL('bare')).origin, headers: {} })
