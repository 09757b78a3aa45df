/** How long one import takes in a fresh process: `node _import.ts <specifier>`. */
const specifier = process.argv[2] as string
const since = performance.now()
await import(specifier)
process.send?.({ ms: performance.now() - since })
