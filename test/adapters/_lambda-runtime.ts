/**
 * Lambda cannot be had here. This does with a handler what Amazon's runtime does, as read in its source
 * (https://github.com/aws/aws-lambda-nodejs-runtime-interface-client, of Node 22 and of Node 24): what matters is that a
 * streamed response is a real chunked request to the Runtime API, and that the instance is frozen when the promise of the
 * handler has settled and that request is over, whatever still runs.
 */
import { createServer, type IncomingMessage, request } from 'node:http'
import type { LambdaContext } from 'hono/aws-lambda'
import { listening } from '../_server.ts'

const STREAMING = Symbol.for('aws.lambda.runtime.handler.streaming')

/** The global that functions find. */
export const awslambda = {
  streamifyResponse: <H extends object>(handler: H): H => Object.assign(handler, { [STREAMING]: 'response' }),
  HttpResponseStream: {
    from(stream: any, prelude: object) {
      stream.setHeader('content-type', 'application/vnd.awslambda.http-integration-response')
      stream.write(JSON.stringify(prelude))
      stream.write(new Uint8Array(8))
      return stream
    },
  },
}

/** The context of an invocation. */
export function lambdaContext(timeoutMs = 3000): LambdaContext {
  const end = Date.now() + timeoutMs
  // Nobody reads the rest.
  return { awsRequestId: crypto.randomUUID(), getRemainingTimeInMillis: () => end - Date.now() } as LambdaContext
}

/** The same request, as each of Lambda's triggers tells of it. */
export const events: Record<string, (method: string, path: string, body?: string) => object> = {
  'API Gateway v1 (REST API)': (httpMethod, path, body = '') => ({
    version: '1.0',
    resource: '/{proxy+}',
    path,
    httpMethod,
    headers: { host: 'id.execute-api.eu-central-1.amazonaws.com', 'content-type': 'text/plain' },
    multiValueHeaders: {},
    queryStringParameters: null,
    multiValueQueryStringParameters: null,
    pathParameters: {},
    stageVariables: null,
    requestContext: { httpMethod, path, stage: 'test', requestId: 'r', identity: { sourceIp: '127.0.0.1' } },
    body,
    isBase64Encoded: false,
  }),
  'API Gateway v2 (HTTP API)': (method, path, body = '') =>
    v2('id.execute-api.eu-central-1.amazonaws.com', method, path, body),
  'a function URL': (method, path, body = '') => v2('id.lambda-url.eu-central-1.on.aws', method, path, body),
  'a load balancer': (httpMethod, path, body = '') => ({
    requestContext: { elb: { targetGroupArn: 'arn' } },
    httpMethod,
    path,
    queryStringParameters: {},
    headers: { host: 'lb.eu-central-1.elb.amazonaws.com', 'content-type': 'text/plain' },
    body,
    isBase64Encoded: false,
  }),
}

function v2(domainName: string, method: string, path: string, body: string): object {
  return {
    version: '2.0',
    routeKey: '$default',
    rawPath: path,
    rawQueryString: '',
    cookies: [],
    headers: { host: domainName, 'content-type': 'text/plain' },
    requestContext: {
      domainName,
      stage: '$default',
      requestId: 'r',
      http: { method, path, protocol: 'HTTP/1.1', sourceIp: '127.0.0.1', userAgent: 'test' },
    },
    body,
    isBase64Encoded: false,
  }
}

type Log = (line: string) => void

/** Invokes a function that streams its response. What happens is logged in order; gives the bytes after the prelude. */
export async function invokeStreaming(
  handler: (event: any, stream: any, context: any) => unknown,
  event: object,
  context: object,
  log: Log,
  received: (chunk: string) => void = () => {},
): Promise<string> {
  if (!(STREAMING in handler)) throw new Error('Lambda would not stream: the handler has no mark')
  let body = ''
  await using api = await listening(
    createServer((req: IncomingMessage, res) => {
      req.on('data', (chunk) => {
        body += chunk
        received(String(chunk))
      })
      req.on('end', () => {
        log('stream ended')
        res.writeHead(202).end()
      })
      req.on('error', () => {})
    }),
  )
  const { promise: answered, resolve, reject } = Promise.withResolvers<void>()
  const stream = request(api.url, { method: 'POST', headers: { 'transfer-encoding': 'chunked' } }, (res) => {
    res.resume().on('end', resolve)
  })
  stream.on('error', reject)
  answered.catch(() => {})
  try {
    await handler(event, stream, context)
    log('handler settled')
    await answered
  } catch (error) {
    log(`failed: ${(error as Error).message}`)
    stream.destroy()
  }
  log('frozen')
  return body.slice(body.lastIndexOf('\0') + 1)
}
