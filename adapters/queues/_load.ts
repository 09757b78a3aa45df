/**
 * The packages of engines, which a user installs beside this one.
 *
 * @module
 */
import { QueueError } from '../../src/errors.ts'

/**
 * Loads a package, of which what is used is described here: its own types ask for those of Node, and tsconfig.json keeps
 * them out.
 *
 * @throws {QueueError} it is not installed
 */
export async function load<M>(name: string, from: () => Promise<unknown>): Promise<M> {
  try {
    return (await from()) as M
  } catch (cause) {
    throw new QueueError(`Cannot open the queue as the package '${name}' is not there: npm install ${name}`, { cause })
  }
}
