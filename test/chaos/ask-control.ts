// How a Worker of this run asks what is to happen at a point that it has come to. Where its process is to die there, no answer
// ever comes.

/** What is to happen: `go` for nothing. */
export async function askControl(env: { readonly CONTROL_URL: string }, place: string): Promise<string> {
  const answer = await fetch(`${env.CONTROL_URL}/place/${place}`)
  return answer.text()
}
