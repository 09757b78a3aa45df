/** Stands for an optional peer where the adapters are compiled: tsconfig.json. */
declare const peer: unknown
export default peer
