/** A process whose schedule ticks each second: until it is closed, or stopped by a signal. */
import { createServer } from 'node:http'
import { gracefulShutdown } from '../../adapters/node.ts'
import { croner } from '../../adapters/schedules/croner.ts'
import { defineTask } from '../../src/index.ts'

const [mode] = process.argv.slice(2)
let ticks = 0
const released = new Promise<void>((resolve) => void process.once('SIGUSR2', resolve))

const work = defineTask({
  name: 'work',
  run: async () => {
    console.log(`start ${++ticks}`)
    if (mode === 'signal') await released
    console.log(`end ${ticks}`)
  },
})

const schedules = croner([{ task: work, cron: '* * * * * *' }], { observer: () => {} })
if (mode === 'signal') {
  const drain: typeof schedules.drain = (options) => {
    console.log('draining')
    return schedules.drain(options)
  }
  gracefulShutdown(createServer().listen(0, '127.0.0.1'), { drain })
} else released.then(() => schedules.close())
