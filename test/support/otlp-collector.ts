// A collector that listens, remembers what it took, and refuses as it is told to.
import { once } from 'node:events'
import { createServer } from 'node:http'

export interface Collector {
  readonly url: string
  /** What it has taken. */
  readonly told: { readonly path: string; readonly authorization: string | undefined; readonly body: string }[]
  close(): void
}

/** Starts one, on any free port of this machine. `refusals`: statuses of its first answers; then 200. */
export async function startCollector(...refusals: readonly number[]): Promise<Collector> {
  const answers = [...refusals]
  const told: Collector['told'] = []
  const server = createServer((request, response) => {
    void (async () => {
      const parts: string[] = []
      for await (const part of request.setEncoding('utf8')) parts.push(String(part))
      const status = answers.shift() ?? 200
      const { authorization } = request.headers
      if (status === 200) told.push({ path: request.url ?? '', authorization, body: parts.join('') })
      response.writeHead(status).end('{}')
    })()
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  const address = server.address()
  return {
    url: `http://127.0.0.1:${typeof address === 'object' ? address?.port : ''}`,
    told,
    close() {
      server.closeAllConnections()
      server.close()
    },
  }
}
