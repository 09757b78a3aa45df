/** The middle of some figures, and between which two figures the middle half of them lies. */
export interface Spread {
  median: number
  low: number
  high: number
}

export function spreadOf(figures: readonly number[]): Spread {
  const sorted = figures.toSorted((a, b) => a - b)
  const at = (part: number): number => sorted[Math.round((sorted.length - 1) * part)] as number
  return { median: at(0.5), low: at(0.25), high: at(0.75) }
}

/** The spread of the ratios, or differences, of figures that were measured right after each other. */
export function spreadOfPairs(
  ours: readonly number[],
  base: readonly number[],
  combine: (ours: number, base: number) => number,
): Spread {
  return spreadOf(ours.map((figure, round) => combine(figure, base[round] as number)))
}
