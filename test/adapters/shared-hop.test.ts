import { expect, test } from 'vitest'
import { afterSharedMacrotask, startWith } from '../../adapters/_shared-hop.ts'
import { takePrinted } from '../_printed.ts'

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

test('calls what came since the last macrotask, with its delivery, in order, and not before the next', async () => {
  const called: unknown[] = []
  afterSharedMacrotask(startWith, (delivery) => called.push('first', delivery), 'flushed')
  await Promise.resolve()
  expect(called).toEqual([])
  await turn()
  expect(called).toEqual(['first', 'flushed'])
})

test('what comes when a macrotask is on its way waits for the one after it, as its bytes may not have left', async () => {
  const called: string[] = []
  const add = (name: string): void => afterSharedMacrotask(startWith, () => called.push(name), 'flushed')
  add('first')
  setImmediate(() => called.push('a turn'))
  add('second')
  add('third')
  await turn()
  expect(called).toEqual(['first', 'a turn'])
  await turn()
  expect(called).toEqual(['first', 'a turn', 'second', 'third'])
})

test('unless they have: so it joins, where nobody waits before it', async () => {
  const called: string[] = []
  const add = (name: string, joins: boolean): void =>
    afterSharedMacrotask(startWith, () => called.push(name), 'flushed', joins)
  add('first', true)
  setImmediate(() => called.push('a turn'))
  add('joins', true)
  add('waits', false)
  add('waits behind it', true)
  await turn()
  await turn()
  expect(called).toEqual(['first', 'joins', 'a turn', 'waits', 'waits behind it'])
})

test('what comes while others are called waits as well', async () => {
  const called: string[] = []
  afterSharedMacrotask(
    startWith,
    () => {
      called.push('first')
      afterSharedMacrotask(startWith, () => called.push('second'), 'flushed')
      called.push('end of first')
    },
    'flushed',
  )
  await turn()
  expect(called).toEqual(['first', 'end of first'])
  await turn()
  expect(called).toEqual(['first', 'end of first', 'second'])
})

test('one that throws is printed, and the others are called', async () => {
  const called: string[] = []
  afterSharedMacrotask(
    startWith,
    () => {
      throw new Error('meant to fail')
    },
    'flushed',
  )
  afterSharedMacrotask(startWith, () => called.push('second'), 'returned')
  await turn()
  await turn()
  expect(called).toEqual(['second'])
  expect(takePrinted()).toEqual(['background-tasks: start failed: Error: meant to fail'])
})
