// `GET /v1/models`: what this key may ask for, in OpenAI's form.
import { protocols } from '../protocols/index.ts'
import type { Later, Services } from '../ports.ts'
import { authenticate } from './authenticate.ts'
import { begin } from './exchange.ts'
import { refuse } from './refuse.ts'
import { isAllowed } from './route.ts'

/** The models of the key's tenant that the key is allowed. A prefix route is listed as it is written, `*` included. */
export async function listModels(request: Request, services: Services, later: Later): Promise<Response> {
  const exchange = begin(request, protocols.chat, services, later)
  const caller = await authenticate(request.headers, services)
  if (!caller.ok) return refuse(exchange, caller.error)
  const table = await services.directory.routes(later)
  if (table === null) return refuse(exchange, { kind: 'directory-unavailable' })
  const names = new Set(table.models(caller.value.tenantId).map((route) => route.model))
  const data = [...names]
    .filter((model) => isAllowed(caller.value, model))
    .map((id) => ({ id, object: 'model', created: 0, owned_by: 'tidegate' }))
  return Response.json({ object: 'list', data }, { headers: { 'x-request-id': exchange.requestId } })
}
