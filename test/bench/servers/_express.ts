import type { AddressInfo } from 'node:net'
import type { Express } from 'express'
import { announce } from './_announce.ts'

export function listen(app: Express): void {
  const server = app.listen(0, '127.0.0.1', () => announce((server.address() as AddressInfo).port))
}
