/** Tells the port to the process that started this one, and ends with it. */
export function announce(port: number | undefined): void {
  console.log(port)
  process.stdin.on('end', () => process.exit()).resume()
}
