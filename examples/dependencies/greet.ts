import { addTask } from 'background-tasks/context'

/** Somewhere below, where no `tasks` was passed on: `addTask` finds the list of the request that is being handled. */
export function greet(email: string): void {
  addTask(sendGreeting, email)
}

async function sendGreeting(email: string): Promise<void> {
  console.log(`greeted ${email}`)
}
