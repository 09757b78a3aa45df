/** Somebody else's service, which a task calls and which takes its time. */
import { type Listening, listening } from '../_server.ts'

export interface Webhook extends Listening {
  /** The bodies of the calls so far. */
  readonly calls: readonly string[]
  /** Answers the calls held so far, and those that come. */
  answer(): void
}

/** It answers nobody until `answer()`: a response that waits for its tasks would never come. */
export async function webhook(): Promise<Webhook> {
  const calls: string[] = []
  let answer!: () => void
  const answered = new Promise<void>((resolve) => {
    answer = resolve
  })
  const server = await listening(async (req, res) => {
    calls.push(Buffer.concat(await req.toArray()).toString())
    await answered
    res.end()
  })
  return { ...server, calls, answer, [Symbol.asyncDispose]: () => server[Symbol.asyncDispose]() }
}
