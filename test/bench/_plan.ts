/** How long everything takes. */
export interface Plan {
  /** When the run is to be over. */
  readonly finishMs: number
  /** How long each column of the figures without a server takes. */
  readonly columnMs: number
  /** Processes differ by some per cent for the whole of their lives: so each server has several, one after another. */
  readonly generations: number
  /** How long each server has to answer before it is measured. */
  readonly warmUpSeconds: number
  /** What of each slot is not counted: a server that was idle wakes up. */
  readonly leadSeconds: number
  readonly slotSeconds: number
  /** How often each of the others is measured, at most. */
  readonly rounds: { readonly burn: number; readonly others: number; readonly imports: number }
  /** What the figures behind a response take for each system; the rest of the time is for requests. */
  readonly behindMs: number
  /** Of one millisecond each. */
  readonly listTasks: number
  readonly lengths: readonly number[]
  /** The lists of one length have so many tasks altogether, so that a short one is not judged by its warm-up. */
  readonly tasksOfLength: number
  /** A length is left out when its list would take longer. */
  readonly longestListMs: number
}

export const full: Plan = {
  finishMs: 540_000,
  columnMs: 4_000,
  generations: 2,
  warmUpSeconds: 2.5,
  leadSeconds: 0.005,
  slotSeconds: 0.02,
  rounds: { burn: 5, others: 8, imports: 9 },
  behindMs: 11_000,
  listTasks: 2_000,
  lengths: [1_000, 10_000, 100_000, 1_000_000],
  tasksOfLength: 100_000,
  longestListMs: 4_000,
}

/** To see that all of it works: its figures are not to be relied on. */
export const quick: Plan = {
  finishMs: 50_000,
  columnMs: 500,
  generations: 1,
  warmUpSeconds: 0.4,
  leadSeconds: 0.005,
  slotSeconds: 0.02,
  rounds: { burn: 1, others: 1, imports: 2 },
  behindMs: 1_000,
  listTasks: 200,
  lengths: [1_000, 10_000],
  tasksOfLength: 20_000,
  longestListMs: 500,
}
