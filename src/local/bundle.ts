// Builds Workers for workerd. The gateway becomes several ES modules, as it is deployed: one that an isolate loads to start,
// and one for each part of the code that is loaded when it is first needed. Any other Worker becomes one module. In-process, so
// that the local system, the benchmark and the check of the sizes get the same code as a deployment.
import path from 'node:path'
import { type InputOptions, type OutputChunk, type OutputOptions, rolldown } from 'rolldown'

/** The root of the checkout; every path in this folder is resolved against it. */
export const ROOT = path.resolve(import.meta.dirname, '../..')

const GATEWAY = 'src/gateway.ts'
/** The gateway's first module, which exports its handler and its Durable Objects. */
export const GATEWAY_MAIN = 'gateway.js'

/** Folder of all the others. Its name is in wrangler.toml. */
const PARTS = 'parts'

/** One built module. */
export interface BuiltModule {
  /** Its path among the modules of its Worker, with forward slashes. */
  readonly name: string
  readonly code: string
  /** The source files in it, from the root. */
  readonly sources: readonly string[]
  /** Names of the modules that are loaded with it. */
  readonly imports: readonly string[]
  /** Names of the modules that it loads when it first needs them. */
  readonly lateImports: readonly string[]
}

function inputOf(entry: string): InputOptions {
  return {
    input: { [path.basename(entry, '.ts')]: path.join(ROOT, entry) },
    cwd: ROOT,
    platform: 'neutral',
    resolve: { mainFields: ['module', 'main'], conditionNames: ['workerd', 'worker', 'browser', 'import', 'default'] },
    external: [/^cloudflare:/, /^node:/],
    transform: { target: 'es2024', define: { 'process.env.NODE_ENV': '"production"' } },
    logLevel: 'silent',
  }
}

/** What is loaded late has the path of its source file from `src/`, or else from the root; what is shared the name of a file in it. */
function gatewayOutput(isMinified: boolean): OutputOptions {
  return {
    format: 'esm',
    minify: isMinified,
    entryFileNames: GATEWAY_MAIN,
    chunkFileNames: ({ facadeModuleId: id, isDynamicEntry }) => {
      if (!isDynamicEntry || typeof id !== 'string') return `${PARTS}/shared/[name].js`
      const source = slashed(path.relative(ROOT, id)).replace(/^src\//, '')
      return `${PARTS}/${source.replace(/\.ts$/, '')}.js`
    },
    codeSplitting: { groups: [{ name: 'start', tags: ['$initial'] }] },
  }
}

/**
 * One self-contained ES module for workerd. Rejects, with the bundler's messages, if the entry does not build.
 * `entry` is relative to the root of the checkout.
 */
export async function bundleWorker(entry: string, options: { readonly minify?: boolean } = {}): Promise<string> {
  const build = await rolldown(inputOf(entry))
  const { output } = await build.generate({ format: 'esm', minify: options.minify ?? false, codeSplitting: false })
  await build.close()
  return output[0].code
}

/** The gateway's modules, its main one first. Rejects, with the bundler's messages, if it does not build. */
export async function bundleGateway(options: { readonly minify?: boolean } = {}): Promise<readonly BuiltModule[]> {
  const build = await rolldown(inputOf(GATEWAY))
  const { output } = await build.generate(gatewayOutput(options.minify ?? false))
  await build.close()
  const modules = output.filter((file) => file.type === 'chunk').map(builtModule)
  return modules.toSorted((a, b) => Number(b.name === GATEWAY_MAIN) - Number(a.name === GATEWAY_MAIN))
}

/** Writes the gateway's modules as they are deployed, with source maps, into `folder`. */
export async function writeGateway(folder: string): Promise<void> {
  const build = await rolldown(inputOf(GATEWAY))
  await build.write({ ...gatewayOutput(true), dir: folder, cleanDir: true, sourcemap: true })
  await build.close()
}

function builtModule({ fileName, code, moduleIds, imports, dynamicImports }: OutputChunk): BuiltModule {
  const sources = moduleIds.map((id) => slashed(path.relative(ROOT, id)))
  return { name: fileName, code, sources, imports, lateImports: dynamicImports }
}

function slashed(file: string): string {
  return file.replaceAll(path.sep, '/')
}
