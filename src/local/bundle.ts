// Bundles a Worker entry as `wrangler deploy` does, but in-process and in a tenth of the time. Separate because the
// bundle-size check and the benchmark want the same bytes as the local system.
import path from 'node:path'
import { build } from 'esbuild'

/** The root of the checkout; every path in this folder is resolved against it. */
export const ROOT = path.resolve(import.meta.dirname, '../..')

/**
 * One self-contained ES module for workerd. Rejects, with esbuild's messages, if the entry does not build.
 * `entry` is relative to the root of the checkout.
 */
export async function bundleWorker(entry: string, options: { readonly minify?: boolean } = {}): Promise<string> {
  const result = await build({
    entryPoints: [path.join(ROOT, entry)],
    absWorkingDir: ROOT,
    bundle: true,
    write: false,
    format: 'esm',
    target: 'es2024',
    platform: 'neutral',
    mainFields: ['module', 'main'],
    conditions: ['workerd', 'worker', 'browser'],
    external: ['cloudflare:*', 'node:*'],
    minify: options.minify ?? false,
    logLevel: 'silent',
    define: { 'process.env.NODE_ENV': '"production"' },
  })
  const [output] = result.outputFiles
  if (output === undefined) throw new Error(`esbuild wrote nothing for ${entry}`)
  return output.text
}
