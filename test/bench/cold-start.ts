// How long a fresh isolate takes to load a program and answer its first request: measured inside workerd, by a Worker
// that loads another through a Worker Loader, from outside by the clock of this process. The gateway has all its modules, as it
// is deployed. And how big is what it loads to start.
import { convertV4MiniflareOptions, Miniflare } from 'miniflare'
import { bundleGateway, GATEWAY_MAIN } from '../../src/local/bundle.ts'
import { weighGateway } from '../../src/local/weigh.ts'
import { median } from './statistics.ts'

const LOADER = `export default {
  async fetch(request, env) {
    const id = new URL(request.url).searchParams.get('id')
    const worker = env.LOADER.get(id, () => ({
      compatibilityDate: '2026-10-23',
      compatibilityFlags: ['enable_request_signal'],
      mainModule: '${GATEWAY_MAIN}',
      modules: id.startsWith('gateway') ? env.GATEWAY : env.EMPTY,
      env: { ENVIRONMENT: 'local' },
    }))
    return worker.getEntrypoint().fetch('http://isolate/healthz')
  },
}`
const EMPTY = { [GATEWAY_MAIN]: `export default { fetch: () => new Response('ok') }` }

export interface ColdStart {
  /** What the gateway loads to start, after gzip, in KiB. */
  readonly gatewayKib: number
  /** Medians, in ms. */
  readonly emptyMs: number
  readonly gatewayMs: number
  /** Isolates that did not answer with 200. */
  readonly failures: number
}

/** Measures `isolates` fresh isolates of each program, in turn. */
export async function measureColdStart(isolates: number): Promise<ColdStart> {
  const modules = await bundleGateway({ minify: true })
  const gateway = Object.fromEntries(modules.map(({ name, code }) => [name, code]))
  const mf = new Miniflare(
    convertV4MiniflareOptions({
      host: '127.0.0.1',
      port: 0,
      cf: false,
      telemetry: { enabled: false },
      logRequests: false,
      workers: [
        {
          name: 'loader',
          modules: [{ type: 'ESModule', path: 'loader.mjs', contents: LOADER }],
          compatibilityDate: '2026-10-23',
          bindings: { GATEWAY: gateway, EMPTY },
          workerLoaders: { LOADER: {} },
          unsafeDirectSockets: [{ host: '127.0.0.1', port: 0 }],
        },
      ],
    }),
  )
  try {
    const { origin } = await mf.unsafeGetDirectURL('loader')
    const timesMs: Record<'empty' | 'gateway', number[]> = { empty: [], gateway: [] }
    let failures = 0
    for (let isolate = 0; isolate < isolates; isolate += 1) {
      for (const name of ['empty', 'gateway'] as const) {
        const startMs = performance.now()
        const response = await fetch(`${origin}/?id=${name}-${isolate}`)
        await response.arrayBuffer()
        if (response.ok) timesMs[name].push(performance.now() - startMs)
        else failures += 1
      }
    }
    const gatewayKib = weighGateway(modules).startGzipKib
    return { gatewayKib, emptyMs: median(timesMs.empty), gatewayMs: median(timesMs.gateway), failures }
  } finally {
    await mf.dispose()
  }
}
