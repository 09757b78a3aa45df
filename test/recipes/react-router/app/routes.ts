import { type RouteConfig, route } from '@react-router/dev/routes'

export default [
  route('burn', 'routes/burn.ts'),
  route('broken', 'routes/broken.tsx'),
  route('moved', 'routes/moved.ts'),
  route('waiting', 'routes/waiting.ts'),
] satisfies RouteConfig
