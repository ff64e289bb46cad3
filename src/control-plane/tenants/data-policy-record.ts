// Policies about data on their ways: from a request's body, in the words that OpenRouter's users know, to what the edge reads,
// and back for the API's answers.
import * as z from 'zod/mini'
import type { DataPolicy } from '../../core/routing/data-policy.ts'

const REGION_ALLOWED = 'must be 1 to 32 lower-case letters, digits or dashes, such as "eu"'
/** Where data is, as targets name it and policies ask for it. */
export const DATA_REGION = z.string(REGION_ALLOWED).check(z.regex(/^[a-z0-9][a-z0-9-]{0,31}$/, REGION_ALLOWED))
const REGIONS_ALLOWED = 'must be a region, or a list of 1 to 20 of them'
const COLLECTION_ALLOWED = 'must be deny or allow'

/** Null takes a policy away; it is replaced as a whole. */
export const DATA_POLICY = z.nullable(
  z.strictObject(
    {
      data_region: z.optional(
        z.union(
          [
            DATA_REGION,
            z
              .array(DATA_REGION, REGIONS_ALLOWED)
              .check(z.minLength(1, REGIONS_ALLOWED), z.maxLength(20, REGIONS_ALLOWED)),
          ],
          REGIONS_ALLOWED,
        ),
      ),
      data_collection: z.optional(z.enum(['deny', 'allow'], COLLECTION_ALLOWED)),
      zdr: z.optional(z.boolean('must be true or false')),
    },
    'must be null or an object of data_region, data_collection and zdr',
  ),
)

type DataPolicyBody = z.infer<typeof DATA_POLICY>

/** What the edge is told; undefined for a policy that asks for nothing. */
export function readDataPolicy(body: DataPolicyBody): DataPolicy | undefined {
  const { data_region: region, data_collection: collection, zdr } = body ?? {}
  const policy: DataPolicy = {
    ...(region === undefined ? {} : { regions: typeof region === 'string' ? [region] : region }),
    ...(collection === 'deny' ? { noTraining: true } : {}),
    ...(zdr === true ? { zeroRetention: true } : {}),
  }
  return Object.keys(policy).length === 0 ? undefined : policy
}

/** The column after a change: JSON of a `DataPolicy`; null for none. */
export function changeDataPolicy(before: string | null, body: DataPolicyBody | undefined): string | null {
  if (body === undefined) return before
  const policy = readDataPolicy(body)
  return policy === undefined ? null : JSON.stringify(policy)
}

/** The column is written by this control plane only. */
export function dataPolicyOf(column: string | null): { readonly dataPolicy?: DataPolicy } {
  if (column === null) return {}
  const dataPolicy: DataPolicy = JSON.parse(column)
  return { dataPolicy }
}

/** A policy as the API shows it; null for none. */
export function viewDataPolicy({ dataPolicy }: { readonly dataPolicy?: DataPolicy }) {
  if (dataPolicy === undefined) return null
  const { regions, noTraining, zeroRetention } = dataPolicy
  return {
    data_region: regions ?? null,
    data_collection: noTraining === true ? 'deny' : 'allow',
    zdr: zeroRetention === true,
  }
}
