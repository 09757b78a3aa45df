import { memory } from 'background-tasks/queues/memory'
import { describeQueue } from '../conformance/queue.ts'

describeQueue({ kind: 'memory', url: () => '', lacks: memory().lacks })
