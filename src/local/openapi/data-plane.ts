// The data plane in brief: its endpoints as the gateway mounts them, for bodies that their own protocols describe.
import { PROTOCOL_PLACES } from '../../protocols/index.ts'
import { TASK_ENDPOINTS } from '../../protocols/tasks/endpoints.ts'

const AREA = 'Data plane'

const BODY = {
  required: true,
  content: {
    'application/json': { schema: { type: 'object', required: ['model'], properties: { model: { type: 'string' } } } },
  },
}
const ANSWERS = {
  200: { description: 'As the protocol has it; with `stream: true` as server-sent events.' },
  '4XX': { description: 'As the protocol phrases failures.' },
  '5XX': { description: 'As the protocol phrases failures.' },
}

function operation(operationId: string, summary: string, more: object = {}): object {
  return { tags: [AREA], operationId, summary, security: [{ virtualKey: [] }], responses: ANSWERS, ...more }
}

function query(name: string, description: string, allowed?: readonly string[]): object {
  return {
    name,
    in: 'query',
    description,
    schema: { type: 'string', ...(allowed === undefined ? {} : { enum: allowed }) },
  }
}

/** Paths of the data plane, each with its operation. */
export function dataPlanePaths(): Readonly<Record<string, object>> {
  const protocols = Object.entries(PROTOCOL_PLACES).map(([name, { endpoint, wire }]) => [
    endpoint,
    { post: operation(name, `A request in the protocol ${name} (${wire}).`, { requestBody: BODY }) },
  ])
  const tasks = Object.entries(TASK_ENDPOINTS).map(([name, endpoint]) => [
    endpoint,
    { post: operation(name, `The task ${name}.`) },
  ])
  return Object.fromEntries([
    ...protocols,
    ...tasks,
    [
      `${PROTOCOL_PLACES.messages.endpoint}/count_tokens`,
      { post: operation('count-tokens', 'Counts a prompt’s tokens.', { requestBody: BODY }) },
    ],
    [
      '/v1/route/explain',
      {
        post: operation('explain', 'Tells where a request would go, and why. Nothing is sent, taken or charged.', {
          description:
            'The body is any request’s: of a protocol, of a task (a form’s fields as members), or what would be passed through. Of which kind it is, the query says; else it is guessed from its members and its model, and `read_as` says by what.',
          parameters: [
            query('protocol', 'Of which protocol or task it is.', [
              ...Object.keys(PROTOCOL_PLACES),
              ...Object.keys(TASK_ENDPOINTS),
            ]),
            query(
              'endpoint',
              'Where it would be sent: one of the endpoints above, or a path below a provider’s name, e.g. `/openai/v1/files`.',
            ),
            query('method', 'How, where that is below a provider’s name. Default: POST.', [
              'GET',
              'HEAD',
              'POST',
              'PUT',
              'PATCH',
              'DELETE',
            ]),
          ],
          requestBody: { required: true, content: { 'application/json': { schema: { type: 'object' } } } },
        }),
      },
    ],
    ['/v1/feedback', { post: operation('feedback', 'Says what an answer was worth.') }],
    ['/v1/limits', { get: operation('limits', 'The key’s limits, as they stand.') }],
    ['/v1/models', { get: operation('models', 'The models that the key may call.') }],
    [
      '/v1/models/{id}',
      {
        get: operation('model', 'One of them.', {
          parameters: [{ name: 'id', in: 'path', required: true, schema: { type: 'string' } }],
        }),
      },
    ],
    ['/healthz', { get: operation('health', 'Whether the gateway answers.', { security: [] }) }],
  ])
}
