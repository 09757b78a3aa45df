/** What was printed with `console.error` in this test and not yet taken. Whatever is left at its end fails it. */
export const printed: unknown[][] = []

/** Takes what was printed so far, as text. */
export function takePrinted(): string[] {
  return printed.splice(0).map((line) => line.map(String).join(' '))
}
