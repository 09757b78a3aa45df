/** From figures to tables, with what is required of them. */
import { type Behind, BURN_MS } from './_behind.ts'
import type { Column, InProcessFigures, Row as InProcessRow } from './_in-process.ts'
import type { Size } from './_package.ts'
import type { Plan } from './_plan.ts'
import { type Count, keyOf, type Pair, type Requests, type Slots } from './_requests.ts'
import { type Spread, spreadOf, spreadOfPairs } from './_stats.ts'
import { type Bare, type Group, lacking, type System, type Virtue } from './_systems.ts'
import { type Bar, type Row, type Table, verdict } from './_table.ts'

const BARE_SHARE = 0.99
const HAND_SHARE = 0.98
const CALL_NS = 150
const TASK_BYTES = 250
/** Ten times the tasks would be ten times the time for each, were it not linear. */
const LEVEL = 4
/** The longest that all of them get through. */
const COMPARED_LENGTH = 10_000

const whole = new Intl.NumberFormat('en', { maximumFractionDigits: 0 })
const runtimes = { node: 'Node', bun: 'Bun', deno: 'Deno', workerd: 'workerd', python: 'Python' }

/** The median, and half of the width in which the middle half of the figures lies. */
function show({ median, low, high }: Spread, digits: number): string {
  const number = new Intl.NumberFormat('en', { minimumFractionDigits: digits, maximumFractionDigits: digits })
  return `${number.format(median)} ±${number.format((high - low) / 2)}`
}

function showShare(spread: Spread): string {
  return `${show(spread, 3)} (${spread.error?.toFixed(3) ?? '–'})`
}

function labelOf({ runtime, label }: Bare): string {
  return `${runtimes[runtime]}: ${label}`
}

function notesOf({ lacks }: System): string[] {
  return lacks.map((virtue) => lacking[virtue])
}

interface Comparison {
  readonly systems: readonly System[]
  /** Who lacks one of these does not do the same work. */
  readonly needs: readonly Virtue[]
  readonly value: (system: System) => number | undefined
  /** How far off that may be by chance; nothing where it is left out. */
  readonly error?: (system: System) => number
  readonly isBehind: (ours: number, other: number) => boolean
  readonly show: (value: number) => string
}

/** Whether ours is ahead of, or level with, all that do the same work and can be told from it; and who else it is behind of. */
function standing(
  what: string,
  { systems, needs, value, error = () => 0, isBehind, show: shown }: Comparison,
): string[] {
  // The first of ours on each runtime: the plain one.
  const ours = systems.filter(
    (each) => each.isOurs && systems.find(({ isOurs, runtime }) => isOurs && runtime === each.runtime) === each,
  )
  return ours.flatMap((mine) => {
    const own = value(mine)
    const runtimesOf = mine.runtime === 'node' ? ['node', 'python'] : [mine.runtime]
    const others = systems.filter(
      (each) => !each.isOurs && runtimesOf.includes(each.runtime) && !Number.isNaN(value(each) ?? Number.NaN),
    )
    if (own === undefined || others.length === 0) return []
    const doesSame = (each: System): boolean => !each.isYardstick && !needs.some((need) => each.lacks.includes(need))
    const behind = others.filter((each) => isBehind(own, value(each) as number))
    const named = (some: readonly System[]): string =>
      some.map((each) => `${each.label} (${shown(value(each) as number)})`).join(', ')
    const isChance = (each: System): boolean =>
      Math.abs((value(each) as number) - own) <= Math.hypot(error(mine), error(each))
    const untold = behind.filter((each) => doesSame(each) && isChance(each))
    const told = others.filter((each) => doesSame(each) && !untold.includes(each))
    const missed = told.filter((each) => behind.includes(each))
    const excused = behind.filter((each) => !doesSame(each))
    const where = `${runtimes[mine.runtime]}, ${what}: ${shown(own)}`
    const verdicts: string[] = []
    if (missed.length > 0) verdicts.push(verdict(`${where}, behind ${named(missed)}`, false))
    else if (told.length > 0) verdicts.push(verdict(`${where}, not behind (compared with ${told.length})`, true))
    if (untold.length > 0) verdicts.push(`${where}, perhaps behind, perhaps by chance: ${named(untold)}`)
    if (excused.length > 0) verdicts.push(`${where}, behind what does less: ${named(excused)}`)
    return verdicts
  })
}

/** As a picture has it. */
function plainLabelOf(system: Bare): string {
  return labelOf(system).replaceAll('`', '')
}

const barOf = (system: System, value: number, group: string = runtimes[system.runtime]): Bar => ({
  label: plainLabelOf(system),
  group,
  value,
  isOurs: system.isOurs === true,
})

export function inProcessTable(figures: InProcessFigures): Table {
  const labels: [InProcessRow, string][] = [
    ['hand-written 0', 'a bare list by hand, 0 tasks'],
    ['ours 0', 'background-tasks, 0 tasks'],
    ['hand-written 1', 'a bare list by hand, 1 task'],
    ['ours 1', 'background-tasks, 1 task'],
  ]
  const columns = Object.keys(figures) as Column[]
  const extra = (column: Column, row: InProcessRow): Spread =>
    spreadOfPairs(figures[column][row], figures[column].bare, (ours, bare) => ours - bare)
  const required = (row: InProcessRow): string =>
    row === 'ours 0'
      ? verdict(
          `at most ${CALL_NS}`,
          columns.every((column) => extra(column, row).median <= CALL_NS),
        )
      : ''
  return {
    id: 'call',
    title: 'One call, without a server: nanoseconds more than the bare handler takes',
    about:
      'The handler returns a Response at once (`sync`) or by a promise (`async`), for a Request that is new each time or one of 64.' +
      ' A bare list by hand has neither order between async tasks, nor isolation, nor an account.',
    head: ['', ...columns, 'required'],
    rows: [
      { cells: ['the bare handler', ...columns.map((column) => show(spreadOf(figures[column].bare), 0)), ''] },
      ...labels.map(([row, label]) => ({
        cells: [label, ...columns.map((column) => show(extra(column, row), 0)), required(row)],
      })),
    ],
  }
}

export function requestsTable(groups: readonly Group[], requests: Requests): Table {
  /** All that was measured of one, whatever it stood beside. */
  const slots = (id: string, count: Count): Slots => {
    const isIt = (kind: Pair['own']): boolean => kind.id === id && kind.count === count
    const found = [...requests.values()].flatMap(({ own, base, ownSlots, baseSlots }) => [
      ...(isIt(own) ? [ownSlots] : []),
      ...(isIt(base) ? [baseSlots] : []),
    ])
    return {
      perSecond: found.flatMap(({ perSecond }) => perSecond),
      cpuUs: found.flatMap(({ cpuUs }) => cpuUs),
      loadCpu: found.flatMap(({ loadCpu }) => loadCpu),
    }
  }
  const share = (id: string, count: Count, base: string, baseCount: Count): Spread => {
    const pair = requests.get(keyOf({ id, count }, { id: base, count: baseCount })) as Pair
    return spreadOfPairs(pair.ownSlots.perSecond, pair.baseSlots.perSecond, (a, b) => a / b)
  }
  const cpuOf = (id: string, count: Count): string =>
    slots(id, count).cpuUs.length > 0 ? spreadOf(slots(id, count).cpuUs).median.toFixed(1) : '–'
  const isLimited = (id: string): boolean => spreadOf(slots(id, 0).loadCpu).median > 0.95
  const limited = 'the load generator took a whole CPU: here the CPU time tells more than the requests do'

  const required = ({ id, bare, byHand, isYardstick }: System): string => {
    if (!byHand) return ''
    const none = share(id, 0, bare, 0).median
    const one = share(id, 1, byHand, 1)
    if (isYardstick) return `1 task ${showShare(one)} of by hand: the least for who keeps order and context, and hops`
    return [
      verdict(`0 tasks at least ${BARE_SHARE}`, none >= BARE_SHARE),
      verdict(`1 task ${showShare(one)} of by hand, at least ${HAND_SHARE}`, one.median >= HAND_SHARE),
    ].join('; ')
  }
  const rows = groups.flatMap(({ bares, systems }) =>
    bares.flatMap((bare): Row[] => [
      {
        cells: [
          `**${labelOf(bare)}, bare**`,
          show(spreadOf(slots(bare.id, 0).perSecond), 0),
          '1',
          '',
          '',
          cpuOf(bare.id, 0),
          '',
        ],
        notes: isLimited(bare.id) ? [limited] : [],
      },
      ...systems
        .filter((system) => system.bare === bare.id)
        .map((system) => ({
          cells: [
            labelOf(system),
            show(spreadOf(slots(system.id, 0).perSecond), 0),
            ...([0, 1, 10] as const).map((count) => showShare(share(system.id, count, bare.id, 0))),
            ([0, 1, 10] as const).map((count) => cpuOf(system.id, count)).join(' / '),
            required(system),
          ],
          notes: notesOf(system),
        })),
    ]),
  )
  const systems = groups.flatMap((group) => group.systems)
  const compare = (count: Count, needs: readonly Virtue[]): string[] =>
    standing(count === 1 ? '1 task' : `${count} tasks`, {
      systems,
      needs,
      value: ({ id, bare }) => share(id, count, bare, 0).median,
      error: ({ id, bare }) => share(id, count, bare, 0).error ?? Number.POSITIVE_INFINITY,
      isBehind: (ours, peer) => ours < peer * HAND_SHARE,
      show: (value) => value.toFixed(3),
    })
  return {
    id: 'requests',
    title: 'Requests per second, as a part of what the bare handler of the same server answers',
    about:
      'A JSON answer, and 0, 1 or 10 trivial tasks with one argument. 8 connections on loopback. Beside it the CPU time that the server took for a' +
      ' request with its tasks, in microseconds, with 0 / 1 / 10 tasks. Less than 2 % behind counts as level. In brackets: how far off a figure may be' +
      ' by chance, with a certainty of 95 %: who is ahead by no more than both may be is told as perhaps ahead.',
    head: ['', 'requests/s', '0 tasks', '1 task', '10 tasks', 'CPU us', 'required'],
    rows,
    verdicts: [...compare(0, []), ...compare(1, ['after']), ...compare(10, ['after'])],
    charts: [
      {
        title: 'Requests per second with 1 task, as a part of the bare handler',
        unit: 'part of the bare handler of the same server',
        scale: 'linear',
        bars: systems.map((system) => barOf(system, share(system.id, 1, system.bare, 0).median)),
      },
      {
        title: 'Requests per second with 10 tasks, as a part of the bare handler',
        unit: 'part of the bare handler of the same server',
        scale: 'linear',
        bars: systems.map((system) => barOf(system, share(system.id, 10, system.bare, 0).median)),
      },
    ],
  }
}

export type Behinds = ReadonlyMap<string, Behind>

export function burnTable(systems: readonly System[], behinds: Behinds): Table {
  const value = ({ id }: System): number => spreadOf((behinds.get(id) as Behind).burn).median
  return {
    id: 'response',
    title: `Milliseconds to the full response when its task burns ${BURN_MS} ms of CPU`,
    about:
      'At the client, on a server that does nothing else. What starts a task before the response has left lets it wait.',
    head: ['', 'ms'],
    rows: systems.map((system) => ({
      cells: [labelOf(system), show(spreadOf((behinds.get(system.id) as Behind).burn), 1)],
      notes: notesOf(system),
    })),
    verdicts: standing('ms to the response', {
      systems,
      needs: [],
      value,
      // What a turn of an event loop takes on a busy machine is not told apart.
      isBehind: (ours, peer) => ours > peer + 5,
      show: (ms) => ms.toFixed(1),
    }),
    charts: [
      {
        title: `Time to the full response when its task burns ${BURN_MS} ms of CPU`,
        unit: 'milliseconds',
        scale: 'linear',
        bars: systems.map((system) => barOf(system, value(system))),
      },
    ],
  }
}

export function othersTable(systems: readonly System[], behinds: Behinds, { listTasks }: Plan): Table {
  const of = ({ id }: System, which: 'p50' | 'p99' | 'max'): number =>
    spreadOf((behinds.get(id) as Behind).others.map((each) => each[which])).median
  return {
    id: 'others',
    title: `Milliseconds that other requests take while one list of ${whole.format(listTasks)} tasks of 1 ms drains`,
    about: 'One request every 5 ms, whether or not the earlier ones were answered, each on a connection of its own.',
    head: ['', 'p50', 'p99', 'max'],
    rows: systems.map((system) => ({
      cells: [labelOf(system), ...(['p50', 'p99', 'max'] as const).map((which) => of(system, which).toFixed(1))],
      notes: notesOf(system),
    })),
    verdicts: (['p50', 'p99'] as const).flatMap((which) =>
      standing(`${which} in ms`, {
        systems,
        needs: [],
        value: (system) => of(system, which),
        isBehind: (ours, peer) => ours > peer * 1.1 + 2,
        show: (ms) => ms.toFixed(1),
      }),
    ),
    charts: [
      {
        title: `p99 of other requests while a list of ${whole.format(listTasks)} tasks of 1 ms drains`,
        unit: 'milliseconds (logarithmic)',
        scale: 'log',
        bars: systems.map((system) => barOf(system, of(system, 'p99'))),
      },
    ],
  }
}

export function bytesTable(systems: readonly System[], behinds: Behinds): Table {
  const bytesOf = ({ id }: System): number | undefined => behinds.get(id)?.bytes
  const measured = systems.filter((system) => bytesOf(system) !== undefined)
  const value = (system: System): number => bytesOf(system) as number
  return {
    id: 'bytes',
    title: 'Bytes for each of 100,000 waiting tasks with one argument',
    about:
      'The heap before and after adding them, all garbage collected. workerd does not tell. By hand a task is a closure in an array.',
    head: ['', 'bytes', 'required'],
    rows: measured.map((system) => ({
      cells: [
        labelOf(system),
        whole.format(value(system)),
        system.isOurs ? verdict(`at most ${TASK_BYTES}`, value(system) <= TASK_BYTES) : '',
      ],
      notes: notesOf(system),
    })),
    verdicts: standing('bytes', {
      systems: measured,
      needs: ['after', 'context', 'account'],
      value,
      isBehind: (ours, peer) => ours > peer,
      show: (bytes) => whole.format(bytes),
    }),
    charts: [
      {
        title: 'Bytes for each waiting task',
        unit: 'bytes',
        scale: 'linear',
        bars: measured.map((system) => barOf(system, value(system))),
      },
    ],
  }
}

export function lengthsTable(systems: readonly System[], behinds: Behinds, { lengths }: Plan): Table {
  const of = ({ id, runtime }: System, length: number): Spread | undefined => {
    const figures = (behinds.get(id) as Behind).nanoseconds.get(length)
    // The clock of workerd goes by whole milliseconds.
    return figures && !(runtime === 'workerd' && length < 10_000) ? spreadOf(figures) : undefined
  }
  const required = (system: System): string => {
    const medians = lengths.flatMap((length) => of(system, length)?.median ?? [])
    if (!system.isOurs || medians.length === 0) return ''
    // Short lists wait for turns mostly.
    return verdict('level', (medians.at(-1) as number) <= LEVEL * Math.min(...medians))
  }
  return {
    id: 'lengths',
    title: 'Nanoseconds for each task of a long list, by the number of tasks on one request',
    about:
      'From the first `add` to the end of the last task, the response and the turns of the event loop included. A list that would take many seconds is left out.',
    head: ['', ...lengths.map((length) => whole.format(length)), 'required'],
    rows: systems.map((system) => ({
      cells: [
        labelOf(system),
        ...lengths.map((length) => {
          const spread = of(system, length)
          return spread ? show(spread, 0) : '–'
        }),
        required(system),
      ],
      notes: notesOf(system),
    })),
    verdicts: standing(`ns for each of ${whole.format(COMPARED_LENGTH)}`, {
      systems,
      needs: ['after', 'account'],
      value: (system) => of(system, COMPARED_LENGTH)?.median,
      isBehind: (ours, peer) => ours > peer,
      show: (ns) => whole.format(ns),
    }),
    charts: [
      {
        title: 'Time for each task, by the number of tasks on one request',
        unit: 'nanoseconds (logarithmic)',
        scale: 'log',
        lines: systems
          .filter(({ isOurs, isYardstick, runtime }) => isOurs || isYardstick || runtime === 'python')
          .flatMap((system) =>
            lengths.flatMap((x) => {
              const y = of(system, x)?.median
              return y ? { label: plainLabelOf(system), x, y } : []
            }),
          ),
      },
    ],
  }
}

export function importTable(imports: ReadonlyMap<string, readonly number[]>): Table {
  return {
    id: 'import',
    title: 'Milliseconds that an import takes in a fresh process',
    about: 'On Node, but for the last one. A framework is there for scale: it is imported anyway.',
    head: ['', 'ms'],
    rows: [...imports].map(([name, figures]) => ({ cells: [name, show(spreadOf(figures), 1)] })),
  }
}

export function sizeTable(sizes: ReadonlyMap<string, Size>): Table {
  return {
    id: 'size',
    title: 'Bytes of each entry, as one file',
    about:
      'By esbuild, without the package that an entry adapts. Entries share the core: two of them are less than their sum.',
    head: ['', 'minified', 'and gzipped'],
    rows: [...sizes].map(([name, { minified, gzipped }]) => ({
      cells: [name, whole.format(minified), whole.format(gzipped)],
    })),
  }
}
