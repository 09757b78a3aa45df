import { type ChildProcess, fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'

/** A process of its own for one of these files, which is asked one thing at a time. */
export class Child implements Disposable {
  readonly #process: ChildProcess

  constructor(file: string, args: string[] = [], flags: string[] = []) {
    this.#process = fork(fileURLToPath(new URL(file, import.meta.url)), args, { execArgv: flags })
  }

  /** The next message; fails when the process ends before. */
  answer<T>(): Promise<T> {
    return new Promise((resolve, reject) => {
      const ended = (code: number | null): void =>
        reject(new Error(`${this.#process.spawnargs.join(' ')} ended with ${code}`))
      this.#process.once('exit', ended)
      this.#process.once('message', (message) => {
        this.#process.off('exit', ended)
        resolve(message as T)
      })
    })
  }

  ask<T>(question: object): Promise<T> {
    this.#process.send(question)
    return this.answer()
  }

  [Symbol.dispose](): void {
    this.#process.kill()
  }
}

/** The other end: answers every question of the parent, and ends with it. */
export function answering<Q>(answer: (question: Q) => object | Promise<object>): void {
  process.on('message', async (question) => process.send?.(await answer(question as Q)))
  process.on('disconnect', () => process.exit())
}
