// What the gateway is measured beside, a process of its own in the same kind of runtime. `bare` is the pass-through: the
// least that a Worker can do with a request. `pump` counts the bytes of a stream on their way, chunk by chunk: the least
// that one can do which has to see them. Arguments: the provider's origin; which of the two.
import { convertV4MiniflareOptions, Miniflare } from 'miniflare'
import { endWorkerdWithThisProcess } from '../../src/local/reaper.ts'
import { endWithParent, tellParent } from './job.ts'

const CALL = `
    const { pathname } = new URL(request.url)
    const init = { method: request.method, headers: request.headers, body: request.body }
    const response = await fetch(env.PROVIDER + pathname, init)`

const BARE = `export default {
  async fetch(request, env) {${CALL}
    return new Response(response.body, response)
  },
}`

const PUMP = `async function pump(body, writable) {
  const reader = body.getReader()
  const writer = writable.getWriter()
  let bytes = 0
  for (;;) {
    const { done, value } = await reader.read()
    if (done) break
    bytes += value.byteLength
    await writer.write(value)
  }
  await writer.close()
  return bytes
}

export default {
  async fetch(request, env, context) {${CALL}
    const { readable, writable } = new IdentityTransformStream()
    context.waitUntil(pump(response.body, writable))
    return new Response(readable, response)
  },
}`

const [, , provider = '', mode = ''] = process.argv
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
        modules: [{ type: 'ESModule', path: 'bare.mjs', contents: mode === 'pump' ? PUMP : BARE }],
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
