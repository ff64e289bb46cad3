// What a provider's message must not say to a client: secrets, names of accounts that aren't the client's, and where things
// stand in somebody's network. Works by form, because providers quote what they were sent. What is left out reads
// `[redacted]`; ordinary words, model names and public addresses stay.

/** Characters of a message that are looked at: providers quote whole prompts. */
const LOOKED_AT_CHARS_MAX = 4_000
const GONE = '[redacted]'

/** Tokens that are secret by their beginning: OpenAI, Anthropic, Groq, xAI, Hugging Face, Perplexity, Nvidia, Fireworks,
 *  Cerebras, Together, Replicate, GitHub, GitLab and our own. A digit or a mask tells them from words like `sk-learn`. */
const PREFIXED =
  /\b(?:sk|pk|rk|gsk|xai|hf|pplx|nvapi|fw|csk|tgp|r8|ghp|gho|ghs|glpat|tg_live|tg_test|key|token|secret)[-_](?=[\w*.-]*[\d*])[\w*.-]{6,}/gi

/** Secrets by form alone: Google's keys and tokens, Amazon's, Databricks', JSON web tokens, authorization headers. */
const FORMED =
  /\b(?:AIza[\w-]{10,}|ya29\.[\w.-]+|(?:AKIA|ASIA)[A-Z0-9]{8,}|dapi[0-9a-f]{16,}|eyJ[\w-]{8,}(?:\.[\w-]+)*)|\b(?:Bearer|Basic)\s+[^\s"',;]+/g

/** Whatever a message says the key is, and what an address carries as one. */
const NAMED =
  /((?:api|access|subscription|secret)[ _-]?(?:key|token)s?(?: provided)?["']?\s*[:=]\s*["'`]?|[?&](?:key|api[-_]?key|access_token|token|sig|signature)=)[^\s"'`,;&)]{3,}/gi

/** Long runs of letters of both cases and digits: no word, no model's name. */
const RANDOM = /(?<![\w+=-])(?=[\w+=-]*\d)(?=[\w+=-]*[a-z])(?=[\w+=-]*[A-Z])[\w+=-]{40,}/g

/** Ids that say nothing to the client, whoever's they are. */
const UUID = /\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b/gi

/** Accounts: by their prefix, in a path, behind the word that says what they are. */
const ACCOUNTS: readonly (readonly [RegExp, string])[] = [
  [/\b(org|proj|user|acct|team|ws)[-_](?=[A-Za-z]*\d)[A-Za-z0-9]{6,}/g, `$1-${GONE}`],
  [/\b(accounts|subscriptions|projects|organizations|workspaces|tenants|resourceGroups)\/[\w.:-]+/gi, `$1/${GONE}`],
  [/\b(project|account|organization)(:?\s+(?:number |id )?)(?=[\w-]*\d)[\w-]{6,}/gi, `$1$2${GONE}`],
  [/([?&]project=|\bproject_(?:number|id)["']?[:=]\s*["']?)[\w-]+/gi, `$1${GONE}`],
  [/(\barn:aws[\w-]*:[\w-]*:[\w-]*:)\d{6,}/g, `$1${GONE}`],
  [/[\w.+-]+@[\w-]+(?:\.[\w-]+)+/g, GONE],
]

/** Places in a network: addresses by number, names that only resolve inside, anything with a port, a tenant's own host. */
const PLACES =
  /\b[a-z][a-z0-9+.-]*:\/\/[^\s/"'`<>]*(?::\d{2,5}|@)[^\s"'`<>)\]]*|(?:\b[a-z][a-z0-9+.-]*:\/\/)?\b(?:\d{1,3}\.){3}\d{1,3}\b(?::\d+)?|(?:\b[a-z][a-z0-9+.-]*:\/\/)?\b(?:[\w-]+\.)*(?:localhost|[\w-]+\.(?:internal|local|localdomain|intranet|lan|corp|svc|(?:openai|cognitiveservices)\.azure\.com))\b(?::\d+)?|(?:(?<![\w:])|\[)(?:[0-9a-f]{1,4}:){3,7}[0-9a-f]{0,4}\b\]?(?::\d+)?|(?<![\w:])(?:[0-9a-f]{1,4}:){1,6}(?::[0-9a-f]{1,4}){1,6}\b|(?<![\w:])::1\b/gi

/** Where things lie on somebody's disk. */
const FILES = /(?<![\w./])\/(?:home|root|usr|var|opt|srv|app|tmp|etc|mnt|workspace)\/[^\s"'`:,;)]+/g

/** The message without any of it. Doing it twice changes nothing more. */
export function redact(message: string): string {
  let text = message.length > LOOKED_AT_CHARS_MAX ? message.slice(0, LOOKED_AT_CHARS_MAX) : message
  text = text.replace(PREFIXED, GONE).replace(FORMED, GONE).replace(NAMED, `$1${GONE}`).replace(PLACES, GONE)
  for (const [pattern, replacement] of ACCOUNTS) text = text.replace(pattern, replacement)
  return text.replace(UUID, GONE).replace(FILES, GONE).replace(RANDOM, GONE)
}
