// Deadlines of tests. What is waited for comes, however busy the machine is: they are for what never comes.

/** For something that was begun and arrives by itself. */
export const WAIT_MS = 30_000

/** For a whole test, which may wait for many things, and for what is set up before. */
export const TEST_MS = 120_000
