// How OpenAI words its errors, by status. Type and code vary in ways that no rule gives, hence a table. Pure.
import type { Refusal } from './provider.ts'

interface Wording {
  readonly type: string
  readonly code: string | null
  readonly message: string
}

const INTERNAL: Wording = {
  type: 'server_error',
  code: null,
  message: 'The server had an error while processing your request. Sorry about that!',
}

const WORDINGS: Readonly<Record<number, Wording>> = {
  400: { type: 'invalid_request_error', code: null, message: 'Invalid request.' },
  401: {
    type: 'invalid_request_error',
    code: 'invalid_api_key',
    message:
      'Incorrect API key provided: invalid. You can find your API key at https://platform.openai.com/account/api-keys.',
  },
  402: { type: 'insufficient_quota', code: 'billing_not_active', message: 'Your account is not active.' },
  403: {
    type: 'invalid_request_error',
    code: 'unsupported_country_region_territory',
    message: 'Country, region, or territory not supported',
  },
  404: {
    type: 'invalid_request_error',
    code: 'model_not_found',
    message: 'The model `{model}` does not exist or you do not have access to it.',
  },
  429: {
    type: 'tokens',
    code: 'rate_limit_exceeded',
    message:
      'Rate limit reached for {model} in organization org-simulated on tokens per min (TPM): Limit 30000, Used 29950, ' +
      'Requested 1050. Please try again in 2s. Visit https://platform.openai.com/account/rate-limits to learn more.',
  },
  500: INTERNAL,
  503: {
    type: 'server_error',
    code: null,
    message: 'That model is currently overloaded with other requests. You can retry your request.',
  },
}

/** What OpenAI says at this status, and the `type` that goes with it. */
export function openaiRefusal(status: number, model: string): { readonly refusal: Refusal; readonly type: string } {
  const nearest = status >= 500 ? INTERNAL : { type: 'invalid_request_error', code: null, message: 'Invalid request.' }
  const { type, code, message } = WORDINGS[status] ?? nearest
  const param = status === 404 ? 'model' : null
  return { refusal: { status, message: message.replace('{model}', model), code, param }, type }
}
