// The dashboard's static files on this machine: built when they are older than their sources, and served to the gateway
// through its `ASSETS` binding. Workers static assets do this in production.
import { execFile } from 'node:child_process'
import { readdir, readFile, stat } from 'node:fs/promises'
import path from 'node:path'
import { promisify } from 'node:util'
import { Response, type Request } from 'miniflare'
import { ROOT } from './bundle.ts'

const SOURCES = path.join(ROOT, 'src/dashboard')
const ASSETS = path.join(ROOT, 'dist/assets')
const CONTENT_TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
  '.json': 'application/json',
  '.woff2': 'font/woff2',
}

async function newestMs(folder: string): Promise<number> {
  const entries = await readdir(folder, { recursive: true })
  const times = await Promise.all(entries.map(async (entry) => (await stat(path.join(folder, entry))).mtimeMs))
  return Math.max(0, ...times)
}

/** Builds the dashboard, and the schema of the configuration's file, into `dist/assets` unless what stands there is newer than every source file. */
export async function buildDashboardIfStale(): Promise<void> {
  const built = await stat(path.join(ASSETS, 'dashboard/index.html')).catch(() => undefined)
  if (built !== undefined && built.mtimeMs >= (await newestMs(SOURCES))) return
  const vite = path.join(ROOT, 'node_modules/vite/bin/vite.js')
  const config = path.join(SOURCES, 'vite.config.ts')
  await promisify(execFile)(process.execPath, [vite, 'build', '--config', config, '--logLevel', 'warn'], { cwd: ROOT })
  const { writeSchema } = await import('./cli/json-schema.ts')
  await writeSchema()
  const { writeDescription } = await import('./openapi/file.ts')
  await writeDescription()
}

/** The file that a path names, or nothing; folders have an `index.html`, and no path leaves the assets' folder. */
async function fileFor(pathname: string): Promise<{ readonly name: string; readonly bytes: Uint8Array } | undefined> {
  const wanted = path.resolve(ASSETS, `.${path.posix.normalize(decodeURIComponent(pathname))}`)
  if (wanted !== ASSETS && !wanted.startsWith(ASSETS + path.sep)) return undefined
  for (const name of [wanted, path.join(wanted, 'index.html')]) {
    const bytes = await readFile(name).catch(() => undefined)
    if (bytes !== undefined) return { name, bytes }
  }
  return undefined
}

/** Answers like Workers static assets: the file with its type, or an empty 404. */
export async function serveAsset(request: Request): Promise<Response> {
  if (request.method !== 'GET' && request.method !== 'HEAD') return new Response(null, { status: 405 })
  const file = await fileFor(new URL(request.url).pathname)
  if (file === undefined) return new Response(null, { status: 404 })
  const type = CONTENT_TYPES[path.extname(file.name)] ?? 'application/octet-stream'
  const headers = { 'content-type': type, 'cache-control': 'public, max-age=0, must-revalidate' }
  return new Response(request.method === 'HEAD' ? null : file.bytes, { headers })
}
