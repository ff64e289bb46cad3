// Calls a target once before it is accepted, so that a typing error is seen by who makes it and not by the users.
import type { ProbeResult } from '../control-plane/ports.ts'
import type { Target } from '../core/directory.ts'
import { fold } from '../core/reply/fold.ts'
import type { Dialect } from '../dialects/dialect.ts'
import { dialects } from '../dialects/index.ts'
import { limitedText } from '../data-plane/call-upstream.ts'
import { readWhole } from '../data-plane/answer/read-whole.ts'
import type { GatewayEnv } from '../env.ts'
import { CredentialError } from './auth/credential-error.ts'
import { ConfigurationError, fetchUpstream } from './upstream.ts'

const TIMEOUT_MS = 15_000
const REPLY_BYTES_MAX = 1_000_000
const SHOWN_CHARS_MAX = 200

/** What calling `target` showed: for a token, or, where `path` is given, for what stands there and costs nothing. Never
 *  rejects. */
export async function probeTarget(target: Target, env: GatewayEnv, path?: string): Promise<ProbeResult> {
  const startedAtMs = Date.now()
  const signal = AbortSignal.timeout(TIMEOUT_MS)
  const elapsed = (): number => Date.now() - startedAtMs
  try {
    const dialect = await dialects.of(target.dialect).load()
    const upstream = fetchUpstream({ ...env })
    const call = path === undefined ? dialect.probe(target) : { method: 'GET', path, headers: {}, body: '' }
    const response = await upstream.call(target, call, dialect.name, signal)
    if (path !== undefined && response.ok) {
      await response.body?.cancel()
      return { ok: true, status: response.status, latencyMs: elapsed(), saw: 'it was accepted' }
    }
    const text = (await limitedText(response, REPLY_BYTES_MAX)) ?? ''
    if (!response.ok) {
      const failure = dialect.fail(response.status, response.headers, text, Date.now())
      return { ok: false, status: response.status, latencyMs: elapsed(), saw: shown(failure.message) }
    }
    const contentType = response.headers.get('content-type')
    return { status: response.status, latencyMs: elapsed(), ...judge(dialect, target, text, contentType) }
  } catch (error) {
    const field = error instanceof CredentialError ? { field: 'credential' } : {}
    return { ok: false, status: 0, latencyMs: elapsed(), saw: connectionProblem(error, signal), ...field }
  }
}

function judge(
  dialect: Dialect,
  target: Target,
  text: string,
  contentType: string | null,
): { readonly ok: boolean; readonly saw: string } {
  const events = readWhole(dialect, target, text, contentType)
  if (events === null) return { ok: false, saw: `an answer that is not JSON: ${shown(text)}` }
  const reply = fold(events)
  if (reply.failure !== null) return { ok: false, saw: shown(reply.failure.message) }
  if (reply.choices.length === 0) return { ok: false, saw: `an answer without a reply: ${shown(text)}` }
  const said = reply.choices.flatMap((choice) => choice.parts.flatMap((part) => ('text' in part ? [part.text] : [])))
  return { ok: true, saw: shown(said.join('') || '(a reply without text)') }
}

function connectionProblem(error: unknown, signal: AbortSignal): string {
  if (signal.aborted) return `no answer within ${TIMEOUT_MS / 1000} s`
  if (error instanceof ConfigurationError || error instanceof CredentialError) return error.message
  return `no connection: ${shown(error instanceof Error ? error.message : String(error))}`
}

function shown(text: string): string {
  return text.length <= SHOWN_CHARS_MAX ? text : `${text.slice(0, SHOWN_CHARS_MAX)}…`
}
