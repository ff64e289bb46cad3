// How candidates are put in order. A strategy is one file and one line in the registry.
import type { Target } from '../directory.ts'

/** A target that may serve the present request. */
export interface Candidate {
  readonly target: Target
}

export interface Strategy {
  readonly name: string
  /** A permutation of `candidates`: none added, none left out. `draw` gives numbers in [0, 1). */
  order(candidates: readonly Candidate[], draw: () => number): readonly Candidate[]
}
