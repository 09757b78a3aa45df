import { describe, expect, it } from 'vitest'
import { get, missingPython, settled, start } from './_started.ts'
import { groups } from './_systems.ts'

// Where FastAPI is not installed, the benchmark leaves it out, and says so.
const hasPython = (await missingPython()) === undefined
const compared = groups.filter(({ title }) => hasPython || !title.startsWith('Python'))
const answer = { message: 'Hello, world' }

describe.concurrent('a server of the benchmark without tasks', () => {
  it.each(compared.flatMap(({ bares }) => bares))('$id answers', async (bare) => {
    await using server = await start(bare)
    expect(JSON.parse((await get(server, '/0')).body)).toEqual(answer)
    expect(await settled(server)).toMatchObject({ served: 1, added: 0, ran: 0 })
  })
})

describe.concurrent('a server of the benchmark with tasks', () => {
  it.each(compared.flatMap(({ systems }) => systems))('$id answers each route, and its tasks run', async (system) => {
    await using server = await start(system)
    for (const path of ['/0', '/1', '/10', '/burn?n=2&ms=1', '/many?n=100'])
      expect(JSON.parse((await get(server, path)).body)).toEqual(answer)
    expect(await settled(server)).toMatchObject({ served: 3, added: 113, ran: 113 })
    expect(JSON.parse((await get(server, '/bytes?n=10')).body)).toEqual(
      system.runtime === 'workerd' ? {} : { bytes: expect.any(Number) },
    )
  })
})
