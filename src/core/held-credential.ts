// Which credentials a target may pay with, once the snapshot says where they are: those it names and, of one that was replaced
// lately, what it was before, so that neither a provider that is slow to know the new one nor a mistake in it fails anybody.
import type { HeldCredential, PublishedCredential, Target } from './directory.ts'

/** Stands in no name that can be given. */
const FORMER = '@'

/** What a credential that was replaced is called for as long as it is still tried. */
export function formerName(name: string, version: number): string {
  return `${name}${FORMER}${version}`
}

/** Whether a name is of one that was replaced. */
export function isFormer(name: string): boolean {
  return name.includes(FORMER)
}

/** The name of the credential that replaced this one; of any other its own. */
export function presentName(name: string): string {
  return name.split(FORMER, 1).join('')
}

/** The target with where its credentials are; itself where all are secrets of the Worker. One that was replaced, and whose time
 *  isn't over at `nowMs`, is another of its credentials, behind it. */
export function withHeld(
  target: Target,
  published: Readonly<Record<string, PublishedCredential>>,
  nowMs: number,
): Target {
  const names = target.credentials ?? (target.credential === null ? [] : [target.credential])
  if (!names.some((name) => Object.hasOwn(published, name))) return target
  const held: Record<string, HeldCredential> = {}
  const all = names.flatMap((name) => {
    const credential = Object.hasOwn(published, name) ? published[name] : undefined
    if (credential === undefined) return [name]
    held[name] = credential.is
    const { previous } = credential
    if (previous === undefined || previous.untilMs <= nowMs) return [name]
    const former = formerName(name, previous.version)
    held[former] = previous.was
    return [name, former]
  })
  return { ...target, held, ...(all.length === names.length ? {} : { credentials: all }) }
}
