import type { BackgroundTasks } from 'background-tasks'
import { createContext } from 'react-router'

export const tasksContext = createContext<BackgroundTasks>()
