/**
 * What `use` keeps until the last task has ended.
 *
 * @module
 */
import type { Scope } from './create-background-tasks.ts'
import { callInTask } from './in-task.ts'
import { report } from './observer.ts'
import { show } from './values.ts'

type Resource = { readonly [key: symbol]: (() => unknown) | undefined }

// Not every host has them.
const { asyncDispose, dispose } = Symbol as { asyncDispose?: symbol; dispose?: symbol }

function disposerOf(resource: unknown): symbol | undefined {
  return [asyncDispose, dispose].find((key) => key && typeof (resource as Resource | null)?.[key] === 'function')
}

/** @throws {TypeError} it cannot be disposed of */
export function checkDisposable(resource: unknown): void {
  if (disposerOf(resource)) return
  throw new TypeError(
    `Cannot use the resource as it must have Symbol.dispose or Symbol.asyncDispose: current value is ${show(resource)}`,
  )
}

/** Disposes of the last first, one after the other; an error goes to `onError` and stops nothing. Never rejects. */
export async function disposeAll(resources: object[] | undefined, scope: Scope): Promise<void> {
  for (const resource of resources?.reverse() ?? []) {
    try {
      const disposer = (resource as Resource)[disposerOf(resource) as symbol] as () => unknown
      await callInTask(scope, disposer.bind(resource), [])
    } catch (error) {
      report(scope, error, { id: crypto.randomUUID(), name: `dispose ${nameOf(resource)}`, attempt: 1 })
    }
  }
}

function nameOf(resource: object): string {
  try {
    return resource.constructor.name || 'resource'
  } catch {
    return 'resource'
  }
}
