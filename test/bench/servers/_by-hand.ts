/** The list that one writes by hand where there is a hook but no list. */
import type { Add } from './_work.ts'

export type HandList = (() => unknown)[]

export function into(list: HandList): Add {
  return (task, n) => list.push(() => task(n))
}

/** In order, each awaited, none stopping the next one. */
export async function inOrder(list: HandList): Promise<void> {
  for (const task of list) {
    try {
      await task()
    } catch (error) {
      console.error(error)
    }
  }
}
