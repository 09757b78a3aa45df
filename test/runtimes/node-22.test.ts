import { node } from './_hosts.ts'
import { spawned } from './_start.ts'
import { testRuntime } from './_suite.ts'

testRuntime(() => spawned('node-22/bin/node', ['_node.ts']), node)
