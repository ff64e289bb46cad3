// How much is killed: as much as takes eight minutes on two cores, unless told otherwise.

/** KILL_OFFSETS: streams of up to so many bytes die after each of them. KILL_DEATHS=all: in every way at each. */
export const EVERYWHERE = {
  offsets: Number(process.env['KILL_OFFSETS'] ?? 1_200),
  isExhaustive: process.env['KILL_DEATHS'] === 'all',
  isTold: true,
}
