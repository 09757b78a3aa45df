/** Draws charts with vega. It is imported only here, and when it is needed: all else works without it. */
import type { Chart } from './_table.ts'

interface Vega {
  parse(spec: unknown): unknown
  View: new (runtime: unknown, options: { renderer: 'none' }) => { toSVG(): Promise<string>; finalize(): void }
}
interface VegaLite {
  compile(spec: object): { spec: unknown }
}

const OURS = '#0f766e'
const OTHERS = '#a8a29e'

/** As an SVG. */
export async function drawn(chart: Chart): Promise<string> {
  const load = (name: string): Promise<unknown> => import(name)
  const vega = (await load('vega')) as Vega
  const { compile } = (await load('vega-lite')) as VegaLite
  const view = new vega.View(vega.parse(compile(specOf(chart)).spec), { renderer: 'none' })
  try {
    return await view.toSVG()
  } finally {
    view.finalize()
  }
}

function specOf({ title, unit, scale, bars, lines }: Chart): object {
  return {
    $schema: 'https://vega.github.io/schema/vega-lite/v6.json',
    // A reader's page may be dark.
    background: 'white',
    padding: 12,
    title: { text: title, anchor: 'start', fontSize: 14 },
    config: {
      font: 'sans-serif',
      view: { stroke: null },
      axis: { labelLimit: 320, labelFontSize: 11 },
      legend: { labelLimit: 320 },
    },
    ...(bars ? barsOf(bars, unit, scale) : linesOf(lines ?? [], unit, scale)),
  }
}

function barsOf(bars: NonNullable<Chart['bars']>, unit: string, scale: Chart['scale']): object {
  // A logarithm has no zero to start a bar from.
  const domain = scale === 'log' ? { type: 'log', domainMin: 0.5, nice: false } : { zero: true }
  const y = { field: 'label', type: 'nominal', sort: null, axis: { title: null, ticks: false, domain: false } }
  const x = { field: 'value', type: 'quantitative', scale: domain, axis: { title: unit, grid: true } }
  return {
    width: 420,
    height: { step: 20 },
    data: { values: bars.map((bar) => ({ ...bar, shown: shown(bar.value) })) },
    layer: [
      {
        mark: { type: 'bar', height: { band: 0.7 } },
        encoding: {
          y,
          x,
          ...(scale === 'log' ? { x2: { datum: 0.5 } } : {}),
          color: { condition: { test: 'datum.isOurs', value: OURS }, value: OTHERS },
        },
      },
      {
        mark: { type: 'text', align: 'left', dx: 4, fontSize: 11 },
        encoding: { y, x, text: { field: 'shown' } },
      },
    ],
  }
}

function linesOf(lines: NonNullable<Chart['lines']>, unit: string, scale: Chart['scale']): object {
  return {
    width: 420,
    height: 260,
    data: { values: lines },
    mark: { type: 'line', point: true },
    encoding: {
      x: {
        field: 'x',
        type: 'quantitative',
        scale: { type: 'log' },
        axis: { title: 'tasks on one request', format: '~s', values: [...new Set(lines.map(({ x }) => x))] },
      },
      y: { field: 'y', type: 'quantitative', scale: { type: scale }, axis: { title: unit, format: '~s' } },
      color: { field: 'label', type: 'nominal', sort: null, legend: { title: null } },
    },
  }
}

function shown(value: number): string {
  const digits = value < 10 ? 2 : value < 100 ? 1 : 0
  return new Intl.NumberFormat('en', { minimumFractionDigits: digits, maximumFractionDigits: digits }).format(value)
}
