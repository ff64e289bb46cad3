// The secrets of a virtual key: one that was given last, and those of before that are taken until their end. What rotating does to
// them, as plain data. Times are epoch ms; what ends at T is taken before T and not at T.
import { isJsonObject, parseJson } from '../../core/json.ts'
import { type KeyHash, PEPPER_VERSION, secretMark } from '../../core/directory.ts'
import type { SecretEnd } from '../../core/limits/limits.ts'
import { err, ok, type Result } from '../../core/result.ts'
import { type VirtualKey, formatVirtualKey } from '../../core/virtual-key.ts'
import type { Refusal } from '../http/refusal.ts'

/** Secrets of before that are taken at once. */
export const OLD_SECRETS_MAX = 2
/** Secrets that are kept, those that have ended as well: whoever sends one is told that it was replaced. */
const KEPT_MAX = 5
/** After so long every isolate and every edge of KV has read a record anew, and a margin. */
const SPREAD_MS = 300_000
/** For so long a key is published under its latest secret's own name as well. */
export const FRESH_SECONDS = 600
const SHOWN_CHARS = 4

/** A secret as it is stored. */
export interface KeptSecret extends KeyHash {
  /** Missing for that of a key from before there were others: as old as its key. */
  readonly madeAtMs?: number
  /** What the key ends in, as whoever has it knows it: part of its checksum. */
  readonly endsIn?: string
}

/** What is told of a secret. */
export interface SecretView {
  readonly ends_in: string | null
  readonly made_at_ms: number | null
}

/** What is stored of a key with this digest. */
export function keptSecret(key: VirtualKey, hmacHex: string, madeAtMs: number): KeptSecret {
  return { pepperVersion: PEPPER_VERSION, hmacHex, madeAtMs, endsIn: formatVirtualKey(key).slice(-SHOWN_CHARS) }
}

/** A key's secrets, the newest first. */
export function readSecrets(text: string): readonly KeptSecret[] {
  const list = parseJson(text)
  return Array.isArray(list) ? list.flatMap((one) => readSecret(one)) : []
}

function readSecret(value: unknown): readonly KeptSecret[] {
  if (!isJsonObject(value)) return []
  const { pepperVersion, hmacHex, untilMs, madeAtMs, endsIn } = value
  if (typeof pepperVersion !== 'number' || typeof hmacHex !== 'string') return []
  return [
    {
      pepperVersion,
      hmacHex,
      ...(typeof untilMs === 'number' ? { untilMs } : {}),
      ...(typeof madeAtMs === 'number' ? { madeAtMs } : {}),
      ...(typeof endsIn === 'string' ? { endsIn } : {}),
    },
  ]
}

/** As the directory publishes them. */
export function publishedHashes(secrets: readonly KeptSecret[]): readonly KeyHash[] {
  return secrets.map(({ pepperVersion, hmacHex, untilMs }) => ({
    pepperVersion,
    hmacHex,
    ...(untilMs === undefined ? {} : { untilMs }),
  }))
}

/** Those of before that are still taken. */
export function oldSecrets(
  secrets: readonly KeptSecret[],
  nowMs: number,
): readonly (KeptSecret & { readonly untilMs: number })[] {
  return secrets.flatMap((secret) => {
    const { untilMs } = secret
    return untilMs !== undefined && untilMs > nowMs ? [{ ...secret, untilMs }] : []
  })
}

/**
 * The secrets after another one was given: nothing of before is taken any longer than the overlap, whatever it was allowed
 * until then; with none, nothing else is taken at once. Refused where more of them would be taken at once than may be, and
 * where one would be forgotten that the directory still has by its own name.
 */
export function replaceSecret(
  before: readonly KeptSecret[],
  given: KeptSecret,
  { nowMs, overlapMs }: { readonly nowMs: number; readonly overlapMs: number },
): Result<readonly KeptSecret[], Refusal> {
  const ended = endBy(before, nowMs + overlapMs)
  const old = oldSecrets(ended, nowMs)
  if (old.length > OLD_SECRETS_MAX) return err(tooMany(old))
  const all = [given, ...ended]
  const isTooSoon = all.slice(KEPT_MAX).some(({ madeAtMs = 0 }) => nowMs - madeAtMs <= FRESH_SECONDS * 1000)
  return isTooSoon ? err(TOO_OFTEN) : ok(all.slice(0, KEPT_MAX))
}

/** The secrets once nothing but the present one is taken. */
export function endOldSecrets(before: readonly KeptSecret[], nowMs: number): readonly KeptSecret[] {
  const [present, ...others] = before
  return present === undefined ? [] : [present, ...endBy(others, nowMs)]
}

function endBy(secrets: readonly KeptSecret[], endMs: number): readonly KeptSecret[] {
  return secrets.map((secret) => ({ ...secret, untilMs: Math.min(secret.untilMs ?? Infinity, endMs) }))
}

/** The ends that not everybody may have read in time: those about now. */
export function endsToTell(keyId: string, text: string, nowMs: number): readonly SecretEnd[] {
  if (!text.includes('untilMs')) return []
  return readSecrets(text).flatMap(({ hmacHex, untilMs = Infinity }) =>
    Math.abs(untilMs - nowMs) <= SPREAD_MS ? [{ keyId, mark: secretMark(hmacHex), untilMs }] : [],
  )
}

/** Which of the secrets some edge may not have heard of; null for none. */
export function freshMark(secrets: readonly KeptSecret[], nowMs: number): string | null {
  const [present] = secrets
  if (present === undefined || secrets.length === 1 || nowMs - (present.madeAtMs ?? 0) > SPREAD_MS) return null
  return secretMark(present.hmacHex)
}

/** Tells of each secret of before that is still taken when it was last used, by what somebody knows of its mark. */
export async function usesOf(
  text: string,
  nowMs: number,
  usedAtMs: (mark: string) => Promise<number | null>,
): Promise<readonly (number | null)[]> {
  return Promise.all(oldSecrets(readSecrets(text), nowMs).map(({ hmacHex }) => usedAtMs(secretMark(hmacHex))))
}

/** A key's secrets as the API shows them: nothing of any digest. */
export function viewSecrets(text: string, nowMs: number) {
  const secrets = readSecrets(text)
  const [present] = secrets
  return {
    ends_in: present?.endsIn ?? null,
    rotated_at_ms: secrets.length > 1 ? (present?.madeAtMs ?? null) : null,
    old_secrets: oldSecrets(secrets, nowMs).map((secret) => ({ ...viewSecret(secret), until_ms: secret.untilMs })),
  }
}

/** For the audit log: what there is, and until when. */
export function listSecrets(text: string): readonly (SecretView & { readonly until_ms: number | null })[] {
  return readSecrets(text).map((secret) => ({ ...viewSecret(secret), until_ms: secret.untilMs ?? null }))
}

function viewSecret({ endsIn, madeAtMs }: KeptSecret): SecretView {
  return { ends_in: endsIn ?? null, made_at_ms: madeAtMs ?? null }
}

const TOO_OFTEN: Refusal = {
  status: 409,
  code: 'too_many_secrets',
  field: null,
  message: `The key was rotated ${KEPT_MAX} times in the last ten minutes: wait a while.`,
}

function tooMany(old: readonly { readonly untilMs: number }[]): Refusal {
  const firstMs = Math.min(...old.map(({ untilMs }) => untilMs))
  const message =
    `The key has ${OLD_SECRETS_MAX} old secrets that still work, the first of them until ${new Date(firstMs).toISOString()}: ` +
    'end them (POST /admin/keys/:id/rotate/finish), or rotate with an overlap_seconds of 0.'
  return { status: 409, code: 'too_many_secrets', field: null, message }
}
