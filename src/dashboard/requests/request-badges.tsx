// How a request ended, in a word and a colour; never in colour alone.

const ENDING_WORDS: Readonly<Record<string, string>> = {
  finished: 'finished',
  'client-left': 'client left',
  'provider-cut': 'provider cut off',
  'timed-out': 'timed out',
  'cut-by-limit': 'cut by a limit',
  failed: 'failed',
  lost: 'lost',
}

export function StatusBadge({ status }: { status: number }) {
  const tone = status === 0 ? 'plain' : status < 400 ? 'good' : status < 500 ? 'warn' : 'bad'
  return <span class={`badge ${tone}`}>{status === 0 ? 'none' : status}</span>
}

/** The ending in words; a failure's class takes the place of a mere "failed". */
export function EndingText({ ending, failure }: { ending: string; failure: string | null }) {
  const words = failure ?? ENDING_WORDS[ending] ?? ending
  return <span class={ending === 'finished' && failure === null ? 'ending muted' : 'ending'}>{words}</span>
}

export function CacheBadge({ cache }: { cache: string }) {
  return cache === 'hit' ? <span class="badge note">hit</span> : <span class="muted">{cache}</span>
}
