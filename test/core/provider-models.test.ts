// Which models an entry of the catalogue is for, where it isn't for all that its host has.
import { describe, expect, test } from 'vitest'
import { findProvider, modelObjection, PROVIDERS } from '../../src/catalog/providers.ts'

const invoke = findProvider('bedrock-anthropic')
const converse = findProvider('bedrock')

describe("Bedrock's models", () => {
  test.each([
    'amazon.nova-pro-v1:0',
    'us.meta.llama4-maverick-17b-instruct-v1:0',
    'mistral.mistral-large-2407-v1:0',
    'eu.cohere.command-r-plus-v1:0',
    'ai21.jamba-1-5-large-v1:0',
    'us.deepseek.r1-v1:0',
    'openai.gpt-oss-120b-1:0',
    'qwen.qwen3-32b-v1:0',
    'us-gov.amazon.nova-lite-v1:0',
  ])('%s is reached through Converse, not through the messages form of Claude', (model) => {
    expect(invoke && modelObjection(invoke, model)).toContain('use the provider bedrock')
    expect(converse && modelObjection(converse, model)).toBeNull()
  })

  test.each([
    'anthropic.claude-sonnet-4-5-20250929-v1:0',
    'us.anthropic.claude-opus-4-1-20250805-v1:0',
    'global.anthropic.claude-haiku-4-5-20251001-v1:0',
    'arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/abcd1234',
    '*',
  ])('%s may be reached either way', (model) => {
    expect(invoke && modelObjection(invoke, model)).toBeNull()
    expect(converse && modelObjection(converse, model)).toBeNull()
  })
})

test('where others are sent to there is somebody', () => {
  for (const { onlyVendor } of PROVIDERS)
    if (onlyVendor !== undefined) expect(findProvider(onlyVendor.others)).toBeDefined()
  expect(PROVIDERS.some(({ onlyVendor }) => onlyVendor !== undefined)).toBe(true)
})
