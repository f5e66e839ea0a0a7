import type { IncomingMessage, ServerResponse } from 'node:http'

/**
 * Makes a handler of the web's `Request` and `Response`, such as `onbehalf.handler`, a listener for Node's `http`, and so
 * for Express and Fastify:
 *
 * ```ts
 * app.use('/onbehalf', toNodeListener(onbehalf.handler)) // publicUrl: 'https://app.example.com/onbehalf'
 * ```
 *
 * The request has the path that the client asked for, whatever prefix the server took off, and its headers and body. The
 * host of its URL is always `localhost`, since anybody can send any `Host`. A body that a parser has read already is
 * taken from `request.body`, where it is text, bytes, JSON or a form without nested names. The `signal` aborts when the
 * client goes away.
 *
 * A handler that fails is reported on standard error, and to the client as a plain 500.
 */
export declare function toNodeListener(
  handler: (request: Request) => Response | Promise<Response>,
): (request: IncomingMessage, response: ServerResponse) => void
