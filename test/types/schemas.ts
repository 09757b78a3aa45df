import { type BackgroundTasks, defineTask, type SchemaInput, type SchemaOutput, type Task } from 'background-tasks'
import * as v from 'valibot'
import { z } from 'zod'

declare const tasks: BackgroundTasks

// `add` takes the input of the schema, `run` is given its output.
const zodTask = defineTask({
  name: 'zod',
  input: z.object({ to: z.string(), at: z.string().transform((text) => new Date(text)), times: z.number().default(1) }),
  run: async ({ to, at, times }, { signal }) => {
    to satisfies string
    times satisfies number
    // @ts-expect-error the output has a Date
    at satisfies string
    signal satisfies AbortSignal
    return at.getTime()
  },
})
zodTask satisfies Task<{ to: string; at: string; times?: number | undefined }, number>
const id: string = tasks.add(zodTask, { to: 'Ada', at: '2026-01-01' })
tasks.add(zodTask, { to: 'Ada', at: '2026-01-01', times: 2 }, { id })
// @ts-expect-error the output is no input
tasks.add(zodTask, { to: 'Ada', at: new Date() })
// @ts-expect-error a missing part
tasks.add(zodTask, { to: 'Ada' })
// @ts-expect-error the input is missing
tasks.add(zodTask)

const valibotTask = defineTask({
  name: 'valibot',
  input: v.object({ to: v.string(), count: v.pipe(v.string(), v.transform(Number)), times: v.optional(v.number(), 1) }),
  run: ({ to, count, times }) => {
    to satisfies string
    times satisfies number
    // @ts-expect-error the output has a number
    count satisfies string
    return count
  },
})
valibotTask satisfies Task<{ to: string; count: string; times?: number | undefined }, number>
tasks.add(valibotTask, { to: 'Ada', count: '1' })
// @ts-expect-error the output is no input
tasks.add(valibotTask, { to: 'Ada', count: 1 })
// @ts-expect-error the input is missing
tasks.add(valibotTask)

// The input may be left out where the schema says so.
const optional = defineTask({ name: 'optional', input: z.string().optional(), run: (input) => input?.length })
tasks.add(optional)
tasks.add(optional, 'Ada')
// @ts-expect-error a wrong input
tasks.add(optional, 1)
const fallback = defineTask({ name: 'fallback', input: v.optional(v.string(), 'Ada'), run: (input) => input.length })
tasks.add(fallback)
fallback satisfies Task<string | undefined, number>

// @ts-expect-error a function that does not take the output
defineTask({ name: 'wrong', input: z.string().transform(Number), run: (input: string) => input })
defineTask({
  name: 'less',
  input: z.object({ to: z.string(), more: z.number() }),
  run: (input: { to: string }) => input,
})

const all: Task[] = [zodTask, valibotTask, optional, fallback]

const schema = z.string().transform(Number)
export const input: SchemaInput<typeof schema> = '1'
export const output: SchemaOutput<typeof schema> = 1
export { all }
