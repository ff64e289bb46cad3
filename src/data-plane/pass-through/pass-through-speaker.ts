// In whose words a passed-through request is refused: those of the wire that the provider speaks, whose SDK asks.
import type { DialectName } from '../../core/directory.ts'
import type { Failure } from '../../core/failure.ts'
import { type Phrase, phraseHeaders, phraseOf } from '../../protocols/phrase.ts'
import type { Speaker, WireFailure } from '../../protocols/protocol.ts'
import { speakerAt, speakerOf } from '../http-surface.ts'

/** The speaker at a path that names a provider of the catalogue, or nothing known. */
export async function speakerAtProvider(path: string, dialect: DialectName | undefined): Promise<Speaker> {
  return dialect === undefined ? { name: 'pass-through', ...(await speakerAt(path)) } : speakerFor(dialect)
}

/** The speaker for clients of a provider that speaks `dialect`. */
export async function speakerFor(dialect: DialectName): Promise<Speaker> {
  const body = BODIES[dialect]
  const spoken = body === undefined ? await speakerOf(dialect) : plain(body)
  return { name: 'pass-through', fail: spoken.fail, failInStream: spoken.failInStream }
}

type WireBody = Pick<WireFailure, 'body'> & { readonly headers?: Readonly<Record<string, string>> }

/** Providers whose errors are so plain that no protocol is needed for them.
 *  https://docs.aws.amazon.com/bedrock/latest/APIReference/CommonErrors.html, https://docs.cohere.com/reference/errors,
 *  https://github.com/ollama/ollama/blob/main/docs/api.md (read 2026-11-21) */
const BODIES: Partial<Readonly<Record<DialectName, (phrase: Phrase) => WireBody>>> = {
  'bedrock-converse': ({ status, message }) => {
    const type = EXCEPTIONS[status] ?? (status < 500 ? 'ValidationException' : 'InternalServerException')
    return { body: { message, __type: type }, headers: { 'x-amzn-errortype': type } }
  },
  cohere: ({ message }) => ({ body: { message } }),
  ollama: ({ message }) => ({ body: { error: message } }),
}

const EXCEPTIONS: Readonly<Record<number, string>> = {
  401: 'UnrecognizedClientException',
  402: 'ServiceQuotaExceededException',
  403: 'AccessDeniedException',
  404: 'ResourceNotFoundException',
  429: 'ThrottlingException',
  503: 'ServiceUnavailableException',
}

function plain(write: (phrase: Phrase) => WireBody): Pick<Speaker, 'fail' | 'failInStream'> {
  const fail = (failure: Failure): WireFailure => {
    const phrase = phraseOf(failure)
    const { body, headers } = write(phrase)
    return { status: phrase.status, headers: { ...phraseHeaders(phrase), ...headers }, body }
  }
  return { fail, failInStream: (failure) => `${JSON.stringify(fail(failure).body)}\n` }
}
