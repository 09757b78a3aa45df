/**
 * What is made once, such as a connection.
 *
 * @module
 */

/** Makes it at the first call, and anew at the first one after it could not be made, or has ended. */
export interface Once<T, A extends unknown[] = []> {
  (...args: A): Promise<T>
  /** Forgets what is there, or is being made, and gives it. */
  forget(): Promise<T> | undefined
}

/** @param make gets what to call when that which it has made has ended */
export function once<T, A extends unknown[] = []>(make: (ended: () => void, ...args: A) => Promise<T>): Once<T, A> {
  let current: Promise<T> | undefined
  const call = (...args: A): Promise<T> => {
    if (current) return current
    // Only itself: another one may have been made meanwhile.
    const ended = (): void => {
      if (current === made) current = undefined
    }
    let made: Promise<T> | undefined
    made = make(ended, ...args)
    current = made
    made.then(undefined, ended)
    return made
  }
  const forget = (): Promise<T> | undefined => {
    const forgotten = current
    current = undefined
    return forgotten
  }
  return Object.assign(call, { forget })
}
