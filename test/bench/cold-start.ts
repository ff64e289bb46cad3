// How long a fresh isolate takes to load a program and answer its first request: measured inside workerd, by a Worker
// that loads another through a Worker Loader, from outside by the clock of this process. And how big the program is, as
// wrangler would deploy it.
import { convertV4MiniflareOptions, Miniflare } from 'miniflare'
import { bundleWorker } from '../../src/local/bundle.ts'
import { DEPLOYED, dryRun } from '../../src/local/dry-run.ts'
import { median } from './statistics.ts'

const LOADER = `export default {
  async fetch(request, env) {
    const id = new URL(request.url).searchParams.get('id')
    const worker = env.LOADER.get(id, () => ({
      compatibilityDate: '2026-10-23',
      compatibilityFlags: ['enable_request_signal'],
      mainModule: 'main.js',
      modules: { 'main.js': id.startsWith('gateway') ? env.GATEWAY : env.EMPTY },
      env: { ENVIRONMENT: 'local' },
    }))
    return worker.getEntrypoint().fetch('http://isolate/healthz')
  },
}`
const EMPTY = `export default { fetch: () => new Response('ok') }`

export interface ColdStart {
  /** The gateway's bundle after gzip, in KiB; NaN if wrangler does not build it. */
  readonly gatewayKib: number
  /** Medians, in ms. */
  readonly emptyMs: number
  readonly gatewayMs: number
  /** Isolates that did not answer with 200. */
  readonly failures: number
}

/** Measures `isolates` fresh isolates of each program, in turn. */
export async function measureColdStart(isolates: number): Promise<ColdStart> {
  const gateway = await bundleWorker('src/gateway.ts', { minify: true })
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
    const gatewayKib = (await dryRun(DEPLOYED[0])).gzipKib ?? Number.NaN
    return { gatewayKib, emptyMs: median(timesMs.empty), gatewayMs: median(timesMs.gateway), failures }
  } finally {
    await mf.dispose()
  }
}
