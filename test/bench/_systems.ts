/** What is compared: every way in which one would run something after a response, each beside its own bare handler. */

/** What a way may lack. It is measured all the same, and a footnote says so. */
export type Virtue = 'after' | 'isolation' | 'turns' | 'context' | 'account' | 'waits'

export const lacking: Readonly<Record<Virtue, string>> = {
  after: 'starts the tasks before the response has left',
  isolation: 'the first task that fails ends the list',
  turns: 'does not give the event loop back between tasks',
  context: 'its tasks do not see the async context of the `add` of each',
  account: 'does not tell how its tasks ended',
  waits: 'nothing waits for its tasks when the process stops',
}

export type Runtime = 'node' | 'bun' | 'deno' | 'workerd' | 'python'

/** A server without tasks. */
export interface Bare {
  /** Also the name of its file in servers/. */
  readonly id: string
  readonly label: string
  readonly runtime: Runtime
  /** How the Python file is to behave. */
  readonly how?: string
}

/** A server with tasks. */
export interface System extends Bare {
  /** The id of the same without them. */
  readonly bare: string
  readonly isOurs?: true
  /** The id of what ours has to keep up with, where one task is measured beside it. */
  readonly byHand?: string
  readonly lacks: readonly Virtue[]
  /** Not written by anybody: the least that a list can take. */
  readonly isYardstick?: true
}

/** What runs at the same time, and is measured in turns. */
export interface Group {
  readonly title: string
  /** Its part of the time. */
  readonly weight: number
  readonly bares: readonly Bare[]
  readonly systems: readonly System[]
}

// By hand: a list of functions, in order, each awaited and caught.
const HOOK = ['turns', 'context', 'account', 'waits'] as const
const WAIT_UNTIL = ['after', 'turns', 'context', 'account'] as const
// Nor does it wait, unlike a `waitUntil`.
const COMPLETED = ['after', ...HOOK] as const

function bare(id: string, runtime: Runtime, label: string): Bare {
  return { id, runtime, label }
}

function ours(id: string, runtime: Runtime, of: string, label: string, byHand?: string): System {
  return { id, runtime, bare: of, label, isOurs: true, lacks: [], ...(byHand && { byHand }) }
}

function other(id: string, runtime: Runtime, of: string, label: string, lacks: readonly Virtue[]): System {
  return { id, runtime, bare: of, label, lacks }
}

/** A chain that keeps the context of each `add`, and starts in a macrotask after the response, as an adapter has to. */
function yardstick(id: string, runtime: Runtime, of: string, byHand: string): System {
  const lacks: Virtue[] = ['isolation', 'turns', 'account', 'waits']
  return { id, runtime, bare: of, label: 'a bare chain of promises, after a hop', lacks, byHand, isYardstick: true }
}

export const groups: readonly Group[] = [
  {
    title: 'Node, @hono/node-server',
    weight: 8,
    bares: [bare('node-server-bare', 'node', '@hono/node-server'), bare('hono-bare', 'node', 'Hono')],
    systems: [
      ours('node-server-ours', 'node', 'node-server-bare', 'background-tasks', 'node-server-by-hand'),
      ours('hono-ours', 'node', 'hono-bare', 'background-tasks in Hono'),
      other('node-server-by-hand', 'node', 'node-server-bare', "`outgoing.once('close')` by hand", HOOK),
      yardstick('node-server-promises', 'node', 'node-server-bare', 'node-server-by-hand'),
    ],
  },
  {
    title: 'Node, other frameworks',
    weight: 6,
    bares: [
      bare('srvx-bare', 'node', 'srvx'),
      bare('h3-bare', 'node', 'h3'),
      bare('fastify-bare', 'node', 'Fastify'),
      bare('express-bare', 'node', 'Express'),
    ],
    systems: [
      other('srvx-wait-until', 'node', 'srvx-bare', 'srvx `request.waitUntil`', WAIT_UNTIL),
      other('h3-wait-until', 'node', 'h3-bare', 'h3 `event.waitUntil`', WAIT_UNTIL),
      other('fastify-on-response', 'node', 'fastify-bare', 'Fastify `onResponse`', HOOK),
      other('express-on-finished', 'node', 'express-bare', 'Express with on-finished', HOOK),
    ],
  },
  {
    title: 'Bun',
    weight: 5,
    bares: [bare('bun-bare', 'bun', 'Bun.serve'), bare('elysia-bare', 'bun', 'Elysia')],
    systems: [
      ours('bun-ours', 'bun', 'bun-bare', 'background-tasks', 'bun-by-hand'),
      other('bun-by-hand', 'bun', 'bun-bare', '`setImmediate` by hand', HOOK),
      yardstick('bun-promises', 'bun', 'bun-bare', 'bun-by-hand'),
      other('elysia-on-after-response', 'bun', 'elysia-bare', 'Elysia `onAfterResponse`', HOOK),
    ],
  },
  {
    title: 'Deno',
    weight: 2,
    bares: [bare('deno-bare', 'deno', 'Deno.serve')],
    systems: [
      ours('deno-ours', 'deno', 'deno-bare', 'background-tasks'),
      other('deno-completed', 'deno', 'deno-bare', '`info.completed.then` by hand', COMPLETED),
    ],
  },
  {
    title: 'workerd',
    weight: 2,
    bares: [bare('workerd-bare', 'workerd', 'workerd')],
    systems: [
      ours('workerd-ours', 'workerd', 'workerd-bare', 'background-tasks'),
      other('workerd-wait-until', 'workerd', 'workerd-bare', '`ctx.waitUntil`', WAIT_UNTIL),
    ],
  },
  {
    title: 'Python, uvicorn',
    weight: 2,
    bares: [{ ...bare('fastapi-bare', 'python', 'FastAPI'), how: 'bare' }],
    systems: [
      {
        ...other('fastapi-async', 'python', 'fastapi-bare', 'FastAPI, tasks by `async def`', [
          'after',
          'isolation',
          'turns',
          'context',
        ]),
        how: 'async',
      },
      {
        ...other('fastapi-def', 'python', 'fastapi-bare', 'FastAPI, tasks by `def`', ['isolation', 'context']),
        how: 'def',
      },
    ],
  },
]
