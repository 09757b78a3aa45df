declare namespace App {
  interface Locals {
    tasks: import('background-tasks').BackgroundTasks
  }
}
