/**
 * Which list a Request has, so that nested wrappers share one.
 *
 * A private field on the Request itself, put there by a constructor that returns it. A WeakMap says the same, but costs
 * microseconds for each request under load (its table grows and is walked by every garbage collection), this about 30 ns.
 *
 * @module
 */
import type { BackgroundTasks } from './background-tasks.ts'

class Itself {
  constructor(request: object) {
    // biome-ignore lint/correctness/noConstructorReturn: that is how a foreign object gets a private field
    return request
  }
}

class WithList extends Itself {
  #tasks: BackgroundTasks

  constructor(request: object, tasks: BackgroundTasks) {
    super(request)
    this.#tasks = tasks
  }

  static get(request: object): BackgroundTasks | undefined {
    return #tasks in request ? request.#tasks : undefined
  }

  static set(request: object, tasks: BackgroundTasks): void {
    if (#tasks in request) request.#tasks = tasks
    else new WithList(request, tasks)
  }
}

export const listOf: (request: object) => BackgroundTasks | undefined = WithList.get
export const setListOf: (request: object, tasks: BackgroundTasks) => void = WithList.set
