// Fills the braces in a provider's address from a target's settings. Separate because a setting is an operator's text that
// becomes part of a host: nothing but a name can get in.
import { err, ok, type Result } from '../core/result.ts'

/** What may stand in an address: letters, digits, dots, dashes, underscores. */
const NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$/

/** The address with every `{name}` filled; the error is the name of the setting that is missing or no name. */
export function fillAddress(
  template: string,
  settings: Readonly<Record<string, string>> = {},
): Result<string, { readonly setting: string; readonly isMissing: boolean }> {
  let filled = template
  for (const setting of namesIn(template)) {
    const value = settings[setting]
    if (value === undefined) return err({ setting, isMissing: true })
    if (!NAME.test(value) || value.includes('..')) return err({ setting, isMissing: false })
    filled = filled.replaceAll(`{${setting}}`, value)
  }
  return ok(filled)
}

/** The settings that an address needs. */
export function namesIn(template: string): readonly string[] {
  return [...new Set([...template.matchAll(/\{([a-z]+)\}/g)].flatMap((match) => match[1] ?? []))]
}
