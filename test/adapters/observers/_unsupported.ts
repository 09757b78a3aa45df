/** What is said where the host has no diagnostics channels. */
import { diagnosticsChannel } from '../../../adapters/observers/diagnostics-channel.ts'

export async function main(): Promise<string> {
  try {
    diagnosticsChannel()
    return 'made'
  } catch (error) {
    return String(error)
  }
}
