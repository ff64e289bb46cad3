// Queries of Portkey's conditional routing as conditions of our rules. What can't be asked here is said, and its rule left out:
// half a condition would be another one.
import type { Condition } from '../../core/routing/condition.ts'
import { err, ok, type Result } from '../../core/result.ts'
import { isFields } from './importing.ts'

/** A query as a condition, or which part of it can't be asked. */
export function conditionOf(query: unknown): Result<Condition, string> {
  if (!isFields(query)) return err('it is no query')
  const parts: Condition[] = []
  for (const [field, asked] of Object.entries(query)) {
    const part = field === '$and' || field === '$or' ? several(field, asked) : ofField(field, asked)
    if (!part.ok) return part
    parts.push(part.value)
  }
  const [only] = parts
  return ok(parts.length === 1 && only !== undefined ? only : { all: parts })
}

function several(field: '$and' | '$or', asked: unknown): Result<Condition, string> {
  if (!Array.isArray(asked)) return err(`${field} has no list`)
  const parts: Condition[] = []
  for (const query of asked) {
    const part = conditionOf(query)
    if (!part.ok) return part
    parts.push(part.value)
  }
  return ok(field === '$and' ? { all: parts } : { any: parts })
}

function ofField(field: string, asked: unknown): Result<Condition, string> {
  const operators = isFields(asked) ? Object.entries(asked) : [['$eq', asked] as const]
  const parts: Condition[] = []
  for (const [operator, value] of operators) {
    const part = ofOperator(field, operator, value)
    if (!part.ok) return part
    parts.push(part.value)
  }
  const [only] = parts
  return ok(parts.length === 1 && only !== undefined ? only : { all: parts })
}

function ofOperator(field: string, operator: string, value: unknown): Result<Condition, string> {
  const flag = field === 'params.stream' && typeof value === 'boolean' ? value : null
  if (flag !== null && operator === '$eq') return ok({ flag: 'streamed', is: flag })
  if (flag !== null && operator === '$ne') return ok({ flag: 'streamed', is: !flag })
  if (field === 'params.max_tokens' || field === 'params.max_completion_tokens') return ofNumber(operator, value)
  const text =
    field === 'params.model'
      ? 'model'
      : /^metadata\..{1,100}$/.test(field)
        ? (`metadata.${field.slice(9)}` as const)
        : null
  if (text === null) return err(`${field} can't be asked for`)
  const values: readonly unknown[] = Array.isArray(value) ? value : [value]
  const texts = values.flatMap((one) => (typeof one === 'string' || typeof one === 'number' ? [String(one)] : []))
  // A star at the end would be a prefix here.
  if (texts.length !== values.length || texts.some((one) => one.endsWith('*')))
    return err(`${field} is compared with what is no text`)
  switch (operator) {
    case '$eq':
    case '$in':
      return ok({ text, in: texts })
    case '$ne':
    case '$nin':
      return ok({ not: { text, in: texts } })
    default:
      return err(`${operator} can't be asked of ${field}`)
  }
}

/** Bounds are part of the range here; tokens are whole. */
function ofNumber(operator: string, value: unknown): Result<Condition, string> {
  const number = 'max_output_tokens'
  if (typeof value !== 'number' || !Number.isInteger(value)) return err('a bound is no whole number')
  switch (operator) {
    case '$eq':
      return ok({ number, from: value, to: value })
    case '$ne':
      return ok({ not: { number, from: value, to: value } })
    case '$gt':
      return ok({ number, from: value + 1 })
    case '$gte':
      return ok({ number, from: value })
    case '$lt':
      return ok({ number, to: value - 1 })
    case '$lte':
      return ok({ number, to: value })
    default:
      return err(`${operator} can't be asked of a number`)
  }
}
