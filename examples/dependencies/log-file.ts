import { type FileHandle, open } from 'node:fs/promises'

/** A file to append lines to, open until it is disposed of. */
export class LogFile implements AsyncDisposable {
  readonly #file: FileHandle

  private constructor(file: FileHandle) {
    this.#file = file
  }

  static async open(path: string): Promise<LogFile> {
    return new LogFile(await open(path, 'a'))
  }

  async write(line: string): Promise<void> {
    await this.#file.appendFile(`${line}\n`)
    console.log(line)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#file.close()
    console.log('closed the log')
  }
}
