// How the admin API says no, as the description tells it: one shape, its codes, and which statuses an endpoint has.

/** Every code, by its meaning. */
export const CODES: Readonly<Record<string, string>> = {
  active: 'Only what is revoked can be deleted.',
  admin_closed: 'No admin token is set, and no way to sign in.',
  answer_not_kept: 'The request with this Idempotency-Key was answered; the answer was too large to be kept.',
  bodies_closed: 'Bodies aren’t kept: there is no secret to encrypt them under.',
  bodies_sealed: 'Bodies were encrypted under another secret.',
  body_too_large: 'The body is larger than 1 MiB.',
  busy: 'Others are changing the same thing: try again.',
  declared_twice: 'A document declares the same thing twice.',
  exists: 'The name or id is taken.',
  expired: 'It has expired.',
  forbidden: 'The role doesn’t allow it.',
  forged: 'A change, or a socket, with a session came from another page.',
  full: 'There are too many of these.',
  idempotency_key_reused: 'The Idempotency-Key was sent with another request.',
  in_progress: 'The request with this Idempotency-Key is under way.',
  internal: 'Nobody expected this; the log has it under the id in the message.',
  invalid_endpoint: 'Such an address may not be called.',
  invalid_field: 'A field or header is wrong; the message says what is allowed.',
  invalid_json: 'The body is no JSON.',
  invalid_url: 'An address is none.',
  limiter_unavailable: 'The tenant’s limiter doesn’t answer.',
  live_unavailable: 'There are too many who listen, or no live updates: read again and again instead.',
  missing_field: 'A field is needed.',
  moved_on: 'It isn’t what `If-Match` or `expected_revision` names any more.',
  no_alert_key: 'Channels need the secret ALERT_KEY.',
  no_credential_key: 'Storing credentials needs the secret CREDENTIAL_KEY.',
  no_etag: 'This has no ETag: leave `If-Match` out.',
  not_found: 'It isn’t there, or isn’t the caller’s.',
  not_kept: 'It isn’t kept.',
  not_refreshed: 'The price list could not be fetched, or was refused.',
  outcome_unknown: 'The request with this Idempotency-Key ended without an answer.',
  pepper_missing: 'The secret KEY_PEPPER is needed.',
  probe_failed: 'The target was called and did not answer as it should.',
  publish_failed: 'The change is stored, but not in effect everywhere: `POST /admin/publish`.',
  referenced: 'Something still needs it.',
  revoked: 'It is revoked.',
  too_many: 'There are too many of these.',
  too_many_attempts: 'Too many wrong tokens were tried; see `Retry-After`.',
  too_many_rows: 'The report has too many rows.',
  too_many_secrets: 'The key has too many old secrets that still work.',
  unauthorized: 'Nobody is signed in, and no token was accepted.',
  unknown_credential: 'There is no credential, or no secret, of that name.',
  unknown_field: 'There is no such field.',
  unknown_route: 'There is no such route.',
  unknown_target: 'There is no such target.',
  unknown_team: 'There is no such team.',
  unknown_tenant: 'There is no such tenant.',
  upgrade_required: 'The endpoint is a WebSocket.',
  unsupported_media_type: 'The body isn’t declared as JSON.',
}

export const ERROR_SCHEMA = {
  type: 'object',
  required: ['error'],
  properties: {
    error: {
      type: 'object',
      required: ['message', 'field', 'code'],
      properties: {
        message: { type: 'string', description: 'For people: what is wrong, and what is allowed.' },
        field: { type: ['string', 'null'], description: 'Path of the field, as `limits.rules[0].amount_usd`.' },
        code: {
          type: 'string',
          examples: Object.keys(CODES),
          description: Object.entries(CODES)
            .map(([code, meaning]) => `\`${code}\`: ${meaning}`)
            .join('\n'),
        },
      },
    },
    probe: { type: 'object', description: 'Beside `probe_failed`: what the call to the target showed.' },
    problems: { type: 'array', items: { type: 'object' }, description: 'Of a document: all that is wrong with it.' },
    is_undone: { type: 'boolean', description: 'Beside `publish_failed`: the change was taken back.' },
  },
} as const

/** What an endpoint is, as far as its refusals go. */
export interface Refusable {
  readonly isOpen: boolean
  readonly isChange: boolean
  readonly isPost: boolean
  readonly hasBody: boolean
  readonly hasQuery: boolean
  readonly isNamed: boolean
  readonly isTagged: boolean
}

const TEXTS: Readonly<Record<number, string>> = {
  400: 'The body is no JSON.',
  401: 'No token, none that is accepted, or a session that is over.',
  403: 'The role doesn’t allow it, or a change with a session is forged.',
  404: 'It isn’t there, or isn’t the caller’s.',
  409: 'It can’t be done as things stand: taken, referenced, full, under way.',
  412: 'It isn’t what `If-Match` names any more, or has no ETag. Nothing was changed.',
  413: 'The body is larger than 1 MiB.',
  415: 'The body isn’t declared as JSON.',
  422: 'A field, parameter or header is wrong.',
  429: 'Too many wrong tokens from this address; see `Retry-After`.',
  500: 'Nobody expected this; the log has it under the id in the message.',
  503: 'The API is closed, something needed isn’t set or away, or a change is stored but not published.',
}

/** The refusals of an endpoint, by status. */
export function refusalsOf(of: Refusable): Readonly<Record<string, object>> {
  const statuses = [
    ...(of.isOpen ? [404] : [401, 403, 429, 503]),
    ...(of.isChange ? [409, 413] : []),
    ...(of.isChange && !of.isPost ? [412] : []),
    ...(of.hasBody ? [400, 415] : []),
    ...(of.hasBody || of.hasQuery || of.isPost ? [422] : []),
    ...(of.isNamed ? [404] : []),
    500,
  ]
  const content = { 'application/json': { schema: { $ref: '#/components/schemas/Error' } } }
  return Object.fromEntries(
    [...new Set(statuses)].toSorted((a, b) => a - b).map((status) => [status, { description: TEXTS[status], content }]),
  )
}
