/** What the program runs in a thread. */
export function count(counter) {
  for (;;) Atomics.add(counter, 0, 1)
}

const exported = {
  burn(ms) {
    const end = performance.now() + ms
    while (performance.now() < end);
    return 'burnt'
  },
  fails() {
    throw Object.assign(new Error('on purpose'), { name: 'OwnError' })
  },
  exits() {
    process.exit(3)
  },
  crashes: () => new Promise(() => setTimeout(() => nothing())),
  fillsMemory() {
    for (const all = []; ; ) all.push(new Array(100_000).fill({}))
  },
}

export function perform(name, ...args) {
  return exported[name](...args)
}
