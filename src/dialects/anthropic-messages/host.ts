// Where Anthropic's models are served, and what differs there: Anthropic itself, Google's Vertex AI and Amazon Bedrock. A
// target says so in `settings.host` (`vertex`, `bedrock`; nothing for Anthropic itself).
// https://platform.claude.com/docs/en/build-with-claude/claude-on-vertex-ai and /claude-in-amazon-bedrock-legacy
import type { Target } from '../../core/directory.ts'
import type { Json, JsonObject } from '../../core/json.ts'
import { ANTHROPIC_VERSION } from '../../wire/anthropic-messages.ts'
import { pathSegment } from '../../wire/path-segment.ts'
import { arrayOf } from '../../wire/read.ts'
import { withoutUndefined } from '../../wire/write.ts'
import type { UpstreamCall } from '../dialect.ts'

export type MessagesHost = 'anthropic' | 'vertex' | 'bedrock'

/** Who serves this target. */
export function hostOf(target: Target): MessagesHost {
  const host = target.settings?.['host']
  return host === 'vertex' || host === 'bedrock' ? host : 'anthropic'
}

/** The version that a host wants in the body; null for Anthropic itself, which has it in a header. */
export function bodyVersion(host: MessagesHost): string | null {
  if (host === 'anthropic') return null
  return host === 'vertex' ? 'vertex-2023-10-16' : 'bedrock-2023-05-31'
}

/** Header that names features to try; Bedrock has a member of the body for it. */
export const BETA_HEADER = 'anthropic-beta'

/** A call with this body, which is the host's own already. */
export function hostCall(
  host: MessagesHost,
  model: string,
  isStreamed: boolean,
  body: string,
  headers: Readonly<Record<string, string>> = {},
): UpstreamCall {
  const own = host === 'anthropic' ? { 'anthropic-version': ANTHROPIC_VERSION } : {}
  const { 'anthropic-version': version, ...others } = headers
  const given = host === 'anthropic' && version !== undefined ? headers : others
  return { path: pathOf(host, model, isStreamed), headers: { ...JSON_BODY, ...own, ...given }, body }
}

const JSON_BODY = { 'content-type': 'application/json' }

function pathOf(host: MessagesHost, model: string, isStreamed: boolean): string {
  const segment = pathSegment(model)
  switch (host) {
    case 'vertex':
      return `/publishers/anthropic/models/${segment}:${isStreamed ? 'streamRawPredict' : 'rawPredict'}`
    case 'bedrock':
      return `/model/${segment}/${isStreamed ? 'invoke-with-response-stream' : 'invoke'}`
    case 'anthropic':
      return '/messages'
  }
}

/** A body as the host wants it: the model stands in the path, the version in the body, and Bedrock's betas too. */
export function hostBody(host: MessagesHost, body: JsonObject, betas: string | undefined): JsonObject {
  const version = bodyVersion(host)
  if (version === null) return body
  const { model: _, stream, ...rest } = body
  if (host === 'vertex') return withoutUndefined({ ...rest, stream, anthropic_version: version })
  const wanted: readonly Json[] = [
    ...arrayOf(body['anthropic_beta']),
    ...(betas?.split(',').map((beta) => beta.trim()) ?? []),
  ]
  const anthropic_beta = wanted.length === 0 ? undefined : wanted
  return withoutUndefined({ ...rest, anthropic_version: version, anthropic_beta })
}
