/**
 * An invocation of AWS Lambda: its instance runs until the promise of its handler has settled, and is frozen then.
 *
 * @module
 */
import { afterMacrotask, type Call, type Delivery, startTimer, stopTimer } from '../src/adapter.ts'
import { type BackgroundTasks, partsOf } from '../src/background-tasks.ts'
import { print } from '../src/errors.ts'
import { newGate } from '../src/values.ts'
import { afterReturn } from './_body.ts'
import { runtimeOf } from './_runtime.ts'

/** The member that is used of Lambda's `Context`. */
export interface LambdaContextLike {
  getRemainingTimeInMillis(): number
}

/** What is kept of the time for the response itself, in milliseconds. */
export const MARGIN_MS = 500

const LATE = 'the time of the invocation was over'

/** Finds it among the arguments, in one (hono/aws-lambda), or in srvx's request. */
export function lambdaContextOf({ request, platform }: Call): LambdaContextLike | undefined {
  const places = platform.flatMap((argument) => [argument, argument?.lambdaContext, argument?.context])
  return [...places, runtimeOf(request)?.awsLambda?.context].find(isLambdaContext)
}

function isLambdaContext(value: any): value is LambdaContextLike {
  return typeof value?.getRemainingTimeInMillis === 'function'
}

/** By its context, or the list of its call. */
const invocations = new WeakMap<object, Invocation>()
/** Lists whose invocation is over. */
const frozen = new WeakSet<BackgroundTasks>()

/** The invocation of a call: that of its context, or one of its own, without a limit. */
export function invocationOf(call: Call): Invocation {
  const context = lambdaContextOf(call)
  return invocationBy(context ?? call.tasks, context)
}

export function invocationBy(key: object, context: LambdaContextLike | undefined): Invocation {
  let invocation = invocations.get(key)
  if (!invocation) invocations.set(key, (invocation = new Invocation(context)))
  return invocation
}

export class Invocation {
  /** What starts the tasks that wait for the end of a stream; undefined where the response is not streamed. */
  starts: ((delivery: Delivery) => void)[] | undefined
  #left: Delivery | undefined
  readonly #context: LambdaContextLike | undefined
  readonly #lists: Set<BackgroundTasks> = new Set()
  /** What runs. */
  readonly #works: Set<Promise<void>> = new Set()
  #marginMs = 0

  constructor(context: LambdaContextLike | undefined) {
    this.#context = context
  }

  /** Does not end before that, unless less than the margin is left. */
  hold(work: Promise<void>, tasks: BackgroundTasks, marginMs: number): void {
    if (frozen.has(tasks)) throw new Error('Cannot add a task as its invocation of Lambda is over, and may be frozen')
    this.#marginMs = marginMs
    this.#lists.add(tasks)
    this.#works.add(work)
    work.then(() => this.#works.delete(work))
  }

  /** The `afterResponse` of Lambda. */
  afterResponse(
    start: (delivery: Delivery) => void,
    call: Call,
    response: Response | undefined,
  ): Promise<Response | undefined> | undefined {
    if (!this.starts) return this.#answer(afterReturn(start, call, response))
    if (this.#left) afterMacrotask(start, this.#left)
    else this.starts.push(start)
    return undefined
  }

  /** The stream has left. */
  leave(delivery: Delivery): void {
    this.#left = delivery
    for (const start of this.starts ?? []) afterMacrotask(start, delivery)
  }

  /** Settles when nothing runs any more, or the time is over: what runs then is abandoned. */
  async end(): Promise<void> {
    const isDone = (): Promise<boolean> => Promise.all(this.#works).then(() => true)
    while (this.#works.size > 0 && (await this.inTime(isDone())));
    for (const tasks of this.#lists) {
      frozen.add(tasks)
      if (tasks.size === 0) continue
      print(`${LATE}, tasks abandoned`, tasks.size)
      partsOf(tasks).run?.abandon(LATE)
    }
  }

  async #answer(tracked: Response | undefined): Promise<Response | undefined> {
    // Its tasks wait for the end of the body, and nobody reads that before it is given back.
    const body = await tracked?.arrayBuffer().catch((error) => {
      return new ReadableStream({ start: (controller) => controller.error(error) })
    })
    await this.end()
    return tracked && new Response(body, tracked)
  }

  /** Waits for work as long as there is time; undefined when that is over. */
  async inTime<T>(work: Promise<T>): Promise<T | undefined> {
    if (!this.#context) return work
    const { promise: late, open } = newGate()
    const timer = startTimer(open, Math.max(0, this.#context.getRemainingTimeInMillis() - this.#marginMs))
    try {
      return (await Promise.race([work, late])) as T | undefined
    } finally {
      stopTimer(timer)
    }
  }
}
