// What kind of failure an error is: whom it is to be blamed on and whether trying again may help. No single field is
// trusted: status, code, type and message are read together.
import type { UpstreamClass } from '../../core/failure.ts'
import type { ErrorFields } from './error-fields.ts'
import { CLASS_OF_STATUS } from './error-status.ts'

const WORDS_OF_CREDENTIAL =
  /invalid_api_key|authentication|api_key_invalid|unauthenticated|unrecognizedclient|expiredtoken|permission_?denied|permission_error|accessdenied|billing_error/
const CREDENTIAL_MESSAGE =
  /api key not valid|incorrect api key|invalid api key|invalid x-api-key|api key expired|credit balance is too low/
const FLAGGED = /violates (?:our )?(?:usage|content|safety)|usage guidelines|content policy|flagged by moderation/
const NO_CREDIT = /insufficient_quota|insufficient_balance|billing_hard_limit|credit_limit|insufficient_credits/
const TOO_LARGE =
  /request too large|reduce your message size|context_length_exceeded|tokens must be reduced in order to run/
const WORDS_OF_CLIENT =
  /invalid_request|invalid-argument|validation|badrequest|bad request|not_found|notfound|content_filter|context_length|exceed_context|unsupported|tool_use_failed|invalid_argument|failed_precondition|out_of_range/
const CLIENT_MESSAGE =
  /(?:model|endpoint|deployment)\b.{0,80}\b(?:not found|does not exist|is not supported)|validation error|context (?:length|window|size)|prompt is too long|too many tokens/
const WORDS_OF_OVERLOAD = /overloaded|unavailable|capacity|throttled|modelnotready/
const WORDS_OF_INABILITY = /unimplemented|not_implemented|notimplemented/
const WORDS_OF_THROTTLE = /rate_limit|rate_limited|ratelimit|resource_exhausted|throttling|too_many_requests/
const THROTTLE_MESSAGE = /rate.?limit|too many requests|temporarily rate-limited|too many tokens, please wait/

/** The class of an error with that status (0: none is known). What can't be told is taken for the provider's fault. */
export function classify(fields: ErrorFields, status: number): UpstreamClass {
  const words = `${fields.code ?? ''} ${fields.type ?? ''}`.toLowerCase()
  const message = fields.message.toLowerCase()
  switch (status) {
    case 429:
      return classifyThrottled(words, message)
    case 401:
    case 402:
    case 403:
    case 451:
      if (fields.isFlagged || FLAGGED.test(message)) return 'client'
  }
  const known = CLASS_OF_STATUS[status]
  if (known !== undefined) return known
  if (status >= 400 && status < 500) return isOurCredential(words, message) ? 'credential' : 'client'
  if (status >= 500) return WORDS_OF_OVERLOAD.test(message) || WORDS_OF_OVERLOAD.test(words) ? 'overloaded' : 'server'
  return classifyByWords(words, message)
}

function classifyThrottled(words: string, message: string): UpstreamClass {
  if (NO_CREDIT.test(words)) return 'credential'
  return TOO_LARGE.test(message) || TOO_LARGE.test(words) ? 'client' : 'throttled'
}

function isOurCredential(words: string, message: string): boolean {
  return WORDS_OF_CREDENTIAL.test(words) || CREDENTIAL_MESSAGE.test(message)
}

/** Without a status: an error inside a stream or a 200. */
function classifyByWords(words: string, message: string): UpstreamClass {
  if (NO_CREDIT.test(words) || isOurCredential(words, message)) return 'credential'
  if (WORDS_OF_THROTTLE.test(words) || THROTTLE_MESSAGE.test(message)) return classifyThrottled(words, message)
  if (WORDS_OF_OVERLOAD.test(words) || /\boverloaded\b|at capacity/.test(message)) return 'overloaded'
  if (words.includes('timeout')) return 'timeout'
  if (WORDS_OF_INABILITY.test(words)) return 'incapable'
  return WORDS_OF_CLIENT.test(words) || CLIENT_MESSAGE.test(message) ? 'client' : 'server'
}
