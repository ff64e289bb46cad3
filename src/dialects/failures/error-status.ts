// What an HTTP status alone says of a failure, for those that mean the same whatever the body says. A status that isn't here
// goes by its hundred and the error's words: below 500 it is the client's mistake, from 500 on the provider's fault.
import type { UpstreamClass } from '../../core/failure.ts'

/**
 * The class of a status. Names without a source are those of RFC 9110
 * (https://www.iana.org/assignments/http-status-codes, read 2026-11-21); 520 to 530 are what Cloudflare says of a server
 * behind it (https://developers.cloudflare.com/support/troubleshooting/http-status-codes/cloudflare-5xx-errors/).
 */
export const CLASS_OF_STATUS: Readonly<Record<number, UpstreamClass>> = {
  // Ours: the credential, the account, the way to the provider.
  401: 'credential',
  402: 'credential',
  403: 'credential',
  /** A proxy on the way wants to know who we are. */
  407: 'credential',
  /** A network on the way does. */
  511: 'credential',

  // The target isn't made for it. Method and content type are the gateway's, so neither is the client's mistake.
  405: 'incapable',
  406: 'incapable',
  /** The model, or this version of the interface, is gone for good. */
  410: 'incapable',
  415: 'incapable',
  426: 'incapable',
  /** Unavailable for legal reasons: in another region it may be. What flags the prompt itself is told by its words. */
  451: 'incapable',
  501: 'incapable',
  505: 'incapable',
  /** Loop detected: asking again goes round once more. */
  508: 'incapable',

  // A matter of the moment.
  408: 'timeout',
  409: 'server',
  /** Misdirected request: the connection was to a server of another name. */
  421: 'server',
  423: 'server',
  /** Failed dependency: of Bedrock's models, https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html */
  424: 'server',
  425: 'server',
  /** Google's CANCELLED, nginx's closed request: somebody gave up, and it wasn't us. */
  499: 'server',

  /** Groq's flex tier is full, https://console.groq.com/docs/errors */
  498: 'overloaded',
  503: 'overloaded',
  /** Anthropic, https://platform.claude.com/docs/en/api/errors */
  529: 'overloaded',

  /** A server that answered with nothing that can be passed on. */
  520: 'server',
  521: 'connection',
  522: 'connection',
  523: 'connection',
  /** Connected, but no answer in a hundred seconds. */
  524: 'timeout',
  525: 'connection',
  526: 'connection',
  527: 'connection',
  530: 'connection',
}
