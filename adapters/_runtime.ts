/**
 * What srvx keeps of its host on a request.
 *
 * @module
 */
interface RuntimeLike {
  readonly node?: { readonly res?: unknown }
  readonly deno?: { readonly info?: unknown }
  readonly awsLambda?: { readonly context?: unknown }
}

export function runtimeOf(request: Request | undefined): RuntimeLike | undefined {
  return (request as { readonly runtime?: RuntimeLike } | undefined)?.runtime
}
