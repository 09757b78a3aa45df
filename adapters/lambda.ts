/**
 * AWS Lambda behind API Gateway, a function URL or a load balancer.
 *
 * @module
 */
import type { Adapter, Delivery } from '../src/adapter.ts'
import { checked, milliseconds, type Rules, refuse } from '../src/rules.ts'
import { isFunction } from '../src/values.ts'
import { invocationBy, invocationOf, type LambdaContextLike, lambdaContextOf, MARGIN_MS } from './_lambda.ts'
import { matching } from './_matches.ts'

export type { LambdaContextLike } from './_lambda.ts'

/** Options of {@link lambda}. */
export interface LambdaOptions {
  /**
   * How much of the time that the function has is kept for the response, in milliseconds from 0: tasks that still run when
   * no more is left are abandoned.
   *
   * @default 500
   */
  marginMs?: number | undefined
}

const rules: Rules = { marginMs: milliseconds(MARGIN_MS) }

/**
 * Runs the tasks before the handler's promise settles, as Lambda freezes the instance then: **the client waits for them**,
 * unless the function streams its response, see {@link streaming}. They have the time that the function has.
 *
 * The context is found among the handler's arguments, in those of hono/aws-lambda, and in srvx's request.
 * https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtime-environment.html
 *
 * @example
 * ```ts
 * import { backgroundTasks } from 'background-tasks/hono'
 * import { lambda } from 'background-tasks/lambda'
 * import { Hono } from 'hono'
 * import { handle } from 'hono/aws-lambda'
 *
 * const app = new Hono().use(backgroundTasks({ adapter: lambda() }))
 * export const handler = handle(app)
 * ```
 *
 * @param options see {@link LambdaOptions}
 * @throws {TypeError} an option is not what it must be
 */
export function lambda(options: LambdaOptions = {}): Adapter {
  const { marginMs } = checked<{ marginMs: number }>(rules, options, 'create the lambda adapter')
  return {
    name: 'lambda',
    lacks: {
      lastByte: 'Lambda freezes after the response, so that it waits for the tasks: stream it, by `streaming`',
      aborted: 'Lambda does not tell a function that the client left',
      largeBody: 'a response that is not streamed leaves when its tasks have ended',
      addInBody: 'Lambda freezes once a body has been read: add one task before returning',
    },
    matches: matching(lambdaContextOf),
    keepAlive(work, call) {
      invocationOf(call).hold(work, call.tasks, marginMs)
    },
    afterResponse(start, call, response) {
      return invocationOf(call).afterResponse(start, call, response)
    },
  }
}

/** The members that are used of the stream which Lambda gives to a function that streams its response. */
export interface ResponseStreamLike {
  readonly writableFinished: boolean
  readonly destroyed: boolean
  on(event: 'finish' | 'close' | 'error', listener: () => void): unknown
}

/**
 * Lets a function that streams its response end it first: then the tasks run, and the promise of the handler, which keeps
 * the instance from being frozen, settles after them.
 *
 * @example
 * ```ts
 * import { backgroundTasks } from 'background-tasks/hono'
 * import { streaming } from 'background-tasks/lambda'
 * import { Hono } from 'hono'
 * import { streamHandle } from 'hono/aws-lambda'
 *
 * const app = new Hono().use(backgroundTasks())
 * export const handler = streaming(streamHandle(app))
 * ```
 *
 * @param handler what `awslambda.streamifyResponse` gives, or takes
 * @returns the same with the tasks
 * @throws {TypeError} `handler` is not a function
 */
export function streaming<H extends (event: any, responseStream: any, context: any) => unknown>(handler: H): H {
  const expected = 'a function (event, responseStream, context) => promise'
  if (!isFunction(handler)) refuse('handler', expected, handler, 'stream a response')
  const streamed = async (event: unknown, stream: ResponseStreamLike, context: LambdaContextLike): Promise<unknown> => {
    const invocation = invocationBy(context, context)
    invocation.starts = []
    let leaving = Promise.resolve<Delivery>('aborted')
    try {
      const result = await handler(event, stream, context)
      leaving = leftBy(stream)
      return result
    } finally {
      invocation.leave((await invocation.inTime(leaving)) ?? 'returned')
      await invocation.end()
    }
  }
  // Lambda tells such a handler by its properties.
  return Object.assign(streamed, handler) as unknown as H
}

function leftBy(stream: ResponseStreamLike): Promise<Delivery> {
  return new Promise((resolve) => {
    const left = (): void => resolve(stream.writableFinished ? 'flushed' : 'aborted')
    if (stream.writableFinished || stream.destroyed) left()
    for (const event of ['finish', 'close', 'error'] as const) stream.on(event, left)
  })
}
