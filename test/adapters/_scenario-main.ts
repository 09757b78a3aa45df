/** Prints what the `scenario` of a module gives. */
import process from 'node:process'

const { scenario } = await import(process.argv[2] as string)
console.log(JSON.stringify(await scenario()))
