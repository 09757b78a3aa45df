import { setTimeout } from 'node:timers/promises'

/** Sends an e-mail, slowly. */
export async function sendWelcomeEmail(id: string): Promise<void> {
  await setTimeout(2000) // Here your mail provider is called.
  console.log(`welcomed ${id}`)
}
