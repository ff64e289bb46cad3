// Forgets what credentials were before they were replaced, once nobody tries that any more.

/** Whatever is still tried at `nowMs` stays. */
export async function forgetFormer(db: D1Database, nowMs: number): Promise<void> {
  await db
    .prepare(
      `UPDATE credential_values SET previous = NULL, previous_until_ms = NULL
       WHERE previous_until_ms IS NOT NULL AND previous_until_ms <= ?1`,
    )
    .bind(nowMs)
    .run()
}
