import type { BackgroundTasks } from 'background-tasks'

declare global {
  namespace App {
    interface Locals {
      tasks: BackgroundTasks
    }
  }
}
