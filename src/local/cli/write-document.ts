// A document as a file: JSON or YAML, with its schema named at the top so that editors know it.
import { stringify } from 'yaml'

/** How a file is written. */
export type Format = 'jsonc' | 'yaml'

/** The text of a document. `heading`: lines of comment at the top. */
export function documentText(
  document: Readonly<Record<string, unknown>>,
  format: Format,
  heading: readonly string[] = [],
): string {
  if (format === 'jsonc') {
    const comment = heading.map((line) => `// ${line}\n`).join('')
    return `${comment}${JSON.stringify(document, null, 2)}\n`
  }
  const { $schema, ...rest } = document
  const schema = typeof $schema === 'string' ? `# yaml-language-server: $schema=${$schema}\n` : ''
  return `${schema}${heading.map((line) => `# ${line}\n`).join('')}${stringify(rest, { lineWidth: 120 })}`
}
