/** What JSON carries, and what is said of the rest. */
import { runInNewContext } from 'node:vm'
import { describe, expect, it } from 'vitest'
import { checkBytes, encode, errorOf, openEnvelope, problemOf } from '../../adapters/queues/_json.ts'

const problem = (value: unknown, maxBytes = 1000): string => {
  try {
    encode(value, maxBytes)
  } catch (thrown) {
    return problemOf(thrown).sentence
  }
  return 'none'
}

/** What comes out at the other end. */
const travelled = (value: unknown): unknown => JSON.parse(encode(value, 1000) as string)

describe('encode', () => {
  it('brings back what it takes, __proto__ and keys of digits included', () => {
    const value = JSON.parse('{"__proto__": {"admin": true}, "1": [null, "", 0.5, true, {}, []]}') as object
    expect(JSON.stringify(travelled(value))).toBe(JSON.stringify(value))
    expect(Object.keys(travelled(value) as object)).toContain('__proto__')
  })

  it('takes an object without a prototype, and plain ones of another realm', () => {
    expect(travelled(Object.assign(Object.create(null), { a: 1 }))).toEqual({ a: 1 })
    expect(travelled(runInNewContext('({ list: [1, { a: 2 }] })'))).toEqual({ list: [1, { a: 2 }] })
  })

  it('leaves a property out that is undefined, and gives undefined for undefined', () => {
    expect(encode({ a: undefined, b: 1 }, 1000)).toBe('{"b":1}')
    expect(encode(undefined, 0)).toBeUndefined()
  })

  it('takes -0, as rounding makes it of an ordinary number, for the 0 that it equals', () => {
    const degrees = Math.round(-0.3)
    expect(travelled({ degrees })).toStrictEqual({ degrees: 0 })
    expect(degrees === 0).toBe(true)
  })

  it('takes an object that occurs twice without a cycle', () => {
    const shared = { a: 1 }
    expect(travelled([shared, { shared }])).toEqual([{ a: 1 }, { shared: { a: 1 } }])
  })

  it('refuses what JSON would bring back as something else, and says where', () => {
    class Money {}
    class Names extends Array {}
    expect(problem({ a: [{ b: 1n }] })).toBe('a.0.b: JSON cannot carry a bigint')
    expect(problem([Number.NaN])).toBe('0: JSON cannot carry NaN')
    expect(problem(new Array(4_000_000_000))).toBe('0: JSON cannot carry undefined in an array')
    expect(problem({ to: new Money() })).toBe('to: JSON cannot carry an object of the class Money')
    expect(problem(Names.of(1))).toBe('JSON cannot carry an object of the class Names')
    expect(problem(Object.create({ inherited: 1 }))).toMatch('an object of the class')
    expect(problem(Object.create(Object.create({}, { constructor: { value: undefined } })))).toMatch('without a name')
    expect(problem({ [Symbol('x')]: 1 })).toBe('JSON cannot carry a property named by a symbol')
    expect(problem(new Uint8Array(2))).toMatch('Uint8Array')
    expect(problem(Object('boxed'))).toMatch('String')
  })

  it('refuses what has a toJSON, also one that is hidden or on an array', () => {
    expect(problem(Object.defineProperty({}, 'toJSON', { value: () => 1 }))).toMatch('toJSON')
    expect(problem(Object.defineProperty([], 'toJSON', { value: () => 1 }))).toMatch('toJSON')
  })

  it('refuses an array with further properties, such as what a regular expression has found', () => {
    expect(problem({ found: 'a-b'.match(/-/) })).toBe('found: JSON cannot carry an array with properties')
  })

  it('refuses a cycle, and what is nested more than 500 levels deep', () => {
    const nested = (levels: number): unknown => {
      let value: unknown = 1
      for (let level = 0; level < levels; level++) value = [value]
      return value
    }
    const cycle: unknown[] = []
    cycle.push({ cycle })
    expect(problem(cycle)).toBe('0.cycle: JSON cannot carry a cycle')
    expect(problem(nested(501), 10_000)).toBe('none')
    expect(problem(nested(502), 10_000)).toMatch('more than 500 levels')
    expect(problem(nested(100_000))).toMatch('more than 500 levels')
  })

  it('says what a getter or a proxy threw, whatever that is', () => {
    const throwing = (thrown: unknown) => ({
      list: [
        {
          get x() {
            throw thrown
          },
        },
      ],
    })
    const notFound = Object.assign(new Error('ENOENT'), { path: '/etc/x' })
    expect(problem(throwing(notFound))).toBe("list.0.x: it threw 'ENOENT'")
    expect(problem(throwing(undefined))).toBe("list.0.x: it threw 'undefined'")
    expect(problem(throwing(null))).toBe("list.0.x: it threw 'null'")
    expect(problem(throwing(Object.create(null)))).toMatch('list.0.x: it threw')
    const { proxy, revoke } = Proxy.revocable({}, {})
    revoke()
    expect(problem({ proxy })).toMatch(/^proxy: it threw .*revoked/)
  })

  it('asks a getter once, so that what was checked is not replaced before it is sent', () => {
    let asked = 0
    const value = {
      get x() {
        return ++asked
      },
    }
    encode(value, 1000)
    // Once more by JSON.stringify.
    expect(asked).toBe(2)
  })

  it('counts bytes of UTF-8, and takes exactly as many as there may be', () => {
    expect(problem('é'.repeat(4), 10)).toBe('none')
    expect(problem('é'.repeat(5), 10)).toBe('it has 12 bytes where 10 are the limit')
    expect(problem('€€€', 11)).toBe('none')
    expect(problem('€€€', 10)).toMatch('11 bytes')
    expect(() => checkBytes('€'.repeat(3), 8)).toThrow('it has 9 bytes where 8 are the limit')
  })
})

describe('problemOf', () => {
  it('gives an issue as a schema does, with a path of its own', () => {
    try {
      encode({ a: [1n] }, 10)
      expect.unreachable()
    } catch (thrown) {
      expect(problemOf(thrown).issue).toEqual({ message: 'JSON cannot carry a bigint', path: ['a', 0] })
    }
    expect(problemOf(undefined).issue).toEqual({ message: 'undefined', path: [] })
  })
})

describe('openEnvelope', () => {
  it('opens what it knows, and refuses what is no envelope of this version', () => {
    expect(openEnvelope('{"v":1,"id":"x"}')).toEqual({ v: 1, id: 'x' })
    for (const text of ['{"v":2}', '{}', 'null', '1', '"v"']) expect(() => openEnvelope(text)).toThrow('version 1')
    expect(() => openEnvelope('not JSON')).toThrow(SyntaxError)
  })
})

describe('errorOf', () => {
  it('keeps name, message and stack of an error, as texts', () => {
    const error = Object.assign(new RangeError('too far'), { name: 7, stack: undefined })
    expect(errorOf(error)).toEqual({ name: '7', message: 'too far', stack: undefined })
    expect(errorOf(new RangeError('x'))).toEqual({
      name: 'RangeError',
      message: 'x',
      stack: expect.stringMatching('x'),
    })
    const odd = Object.defineProperties(new Error('x'), { message: { value: 1 }, stack: { value: 2 } })
    expect(errorOf(odd)).toEqual({ name: 'Error', message: '1', stack: '2' })
  })

  it('has a text for whatever was thrown', () => {
    expect(errorOf('text').message).toBe('text')
    expect(errorOf(undefined).message).toBe('undefined')
    expect(errorOf(Symbol('x')).message).toBe('Symbol(x)')
    expect(errorOf(Object.create(null)).message).toBe('what was thrown cannot be shown')
    const broken = Object.defineProperty(new Error('x'), 'message', {
      get() {
        throw new Error('no')
      },
    })
    expect(errorOf(broken).message).toBe('what was thrown cannot be shown')
  })
})
