// Asks a provider of sign-in for JSON: within a time, up to a size, and without being led elsewhere.
import { isJsonObject, type JsonObject, parseJson } from '../../core/json.ts'
import { err, ok, type Result } from '../../core/result.ts'
import type { AdminPorts } from '../ports.ts'

const TIMEOUT_MS = 10_000
const CHARS_MAX = 500_000

/** The JSON object that is there, or why not, in words for the log. */
export async function fetchObject(
  fetchFrom: AdminPorts['fetch'],
  url: string,
  init: RequestInit = {},
): Promise<Result<JsonObject, string>> {
  try {
    const response = await fetchFrom(url, {
      ...init,
      headers: { accept: 'application/json', ...init.headers },
      redirect: 'manual',
      signal: AbortSignal.timeout(TIMEOUT_MS),
    })
    const text = await response.text()
    if (!response.ok) return err(`${url} answered ${response.status}: ${text.slice(0, 200)}`)
    const object = text.length > CHARS_MAX ? undefined : parseJson(text)
    return isJsonObject(object) ? ok(object) : err(`${url} answered with something else than a JSON object`)
  } catch (error) {
    return err(`${url} can't be reached: ${String(error).slice(0, 200)}`)
  }
}
