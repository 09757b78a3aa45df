import type { BackgroundTasks } from 'background-tasks'

declare module 'nitro/h3' {
  interface H3EventContext {
    tasks: BackgroundTasks
  }
}
