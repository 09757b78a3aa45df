/**
 * The packages of engines, which a user installs beside this one.
 *
 * @module
 */
import { QueueError } from '../../src/errors.ts'

/**
 * Loads a package. Its import has no literal type (`import('pg-boss' as string)`), as its types ask for those of Node, which
 * must not be asked of everybody.
 *
 * @throws {QueueError} it is not installed
 */
export async function load<M>(name: string, from: () => Promise<M>): Promise<M> {
  try {
    return await from()
  } catch (cause) {
    throw new QueueError(`Cannot open the queue as the package '${name}' is not there: npm install ${name}`, { cause })
  }
}
