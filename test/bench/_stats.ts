/** The middle of some figures, and between which two figures the middle half of them lies. */
export interface Spread {
  median: number
  low: number
  high: number
  /** Half of the width in which the true median lies, with a certainty of 95 %; undefined where the figures are too few. */
  error: number | undefined
}

export function spreadOf(figures: readonly number[]): Spread {
  const sorted = figures.toSorted((a, b) => a - b)
  const at = (part: number): number => sorted[Math.round((sorted.length - 1) * part)] as number
  // The ranks between which a median lies, as half of all figures are below it: a binomial distribution.
  const ranks = 0.98 / Math.sqrt(sorted.length)
  const error = ranks < 0.5 ? (at(0.5 + ranks) - at(0.5 - ranks)) / 2 : undefined
  return { median: at(0.5), low: at(0.25), high: at(0.75), error }
}

/** The spread of the ratios, or differences, of figures that were measured right after each other. */
export function spreadOfPairs(
  ours: readonly number[],
  base: readonly number[],
  combine: (ours: number, base: number) => number,
): Spread {
  return spreadOf(ours.map((figure, round) => combine(figure, base[round] as number)))
}
