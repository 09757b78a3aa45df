/** Stands for Node before 20.16: nothing is asked of it that is not imported. */
import process from 'node:process'

Object.defineProperty(process, 'getBuiltinModule', { value: undefined })
const loading = import('./_context-scenario.ts')

export async function scenario(): Promise<unknown> {
  return (await loading).scenario()
}
