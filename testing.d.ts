import type { Actions, CallOptions, ConnectedAccount, Onbehalf, OnbehalfOptions } from './index.js'

/**
 * Which of an environment's options make sense in a test. The variables of your machine are not read, and nothing is
 * refreshed in the background: what the provider is asked follows from what your test does.
 */
export type SandboxOptions = Pick<
  OnbehalfOptions,
  'appName' | 'connections' | 'connectors' | 'publicUrl' | 'userVerification' | 'userVerifyUrls'
>

/**
 * Opens an environment in memory, with a simulated provider in it: no port, no file, no browser, no network.
 *
 * ```ts
 * import { openSandbox } from 'onbehalf/testing'
 *
 * const sandbox = await openSandbox({ connections: { gmail: { connector: 'sandbox' } } })
 * await sandbox.connect({ connectionName: 'gmail', identifier: 'user_123' })
 * await myAgent(sandbox.actions)
 * await sandbox.close()
 * ```
 *
 * Connections of the connector `sandbox` that are declared need no credentials; one named `sandbox` is always there. One
 * that your program makes with `connections.create` takes `sandbox` for its `clientId` and its `clientSecret`.
 */
export declare function openSandbox(options?: SandboxOptions): Promise<Sandbox>

/** An environment and its simulated provider. What concerns one account concerns connection `sandbox` unless said. */
export declare class Sandbox implements AsyncDisposable {
  private constructor()
  /** What your agent gets, as it would in production. */
  readonly actions: Actions
  /** The environment: its connections, its `handler`. */
  readonly onbehalf: Onbehalf

  /**
   * Connects a person, all the way from a link to an `ACTIVE` account. Where users are verified, they are. Rejects when
   * it does not end so, such as after `failNext`.
   */
  connect(options: ConnectOptions & CallOptions): Promise<ConnectedAccount>
  /** Follows a link that your agent made, consents, and comes back: for tests of your own verify page. */
  grant(link: string, options?: ConsentOptions & CallOptions): Promise<LinkFollowed>
  /** Follows a link, and refuses. */
  deny(link: string, options?: CallOptions): Promise<LinkFollowed>
  /** Follows a link that asks for a key, and enters one of `issueKey`. Rejects with what a wrong key is refused with. */
  submitKey(link: string, key: string, options?: CallOptions): Promise<LinkFollowed>

  /** Ends access tokens, as time does: the next request is answered with 401, and leads to a refresh. */
  expireAccessTokens(options?: WhoseOptions & CallOptions): Promise<void>
  /**
   * Takes back what people granted, keys too, as they can on a provider's account page. The next request of an account
   * rejects with `REAUTHORIZATION_REQUIRED`; with a key, which nothing renews, it is answered with 401.
   */
  revoke(options?: WhoseOptions & CallOptions): Promise<void>
  /** Leaves people's grants with these scopes at most; the account's `scopes` say so after the next refresh. */
  narrowScopes(options: NarrowOptions & CallOptions): Promise<void>
  /** Makes a key for the connector's method `api_key`. `sandbox-demo-key` works without being made. */
  issueKey(options?: KeyOptions): string

  /**
   * Gives an answer in the API's place, from now on: what your agent would hear from the real provider. Whoever may do
   * nothing any more gets the provider's 401 or 403 instead.
   */
  reply(options: ReplyOptions): void
  /** Fails the next request, or several. The provider does nothing of what they ask. */
  failNext(options: FailOptions): void
  /** Lets the next request take longer, in real time. Without waiting, use `holdNext`. */
  slowNext(options: SlowOptions): void
  /** Holds the next request until you let it go. */
  holdNext(options?: HoldOptions): HeldRequest
  /** Loses the answer to the next request, or several. The provider has done what they ask. */
  dropNext(options?: DropOptions): void
  /** Lets time pass at once, for the provider and for the environment. An access token lives one hour. */
  advance(options: AdvanceOptions): void

  /** The last thousand requests that arrived, the oldest first. */
  readonly requests: ArrivedRequest[]

  /** Closes the environment, and lets every held request go. */
  close(options?: CallOptions): Promise<void>
  /** For `await using`, where the runtime has it. */
  [Symbol.asyncDispose](): Promise<void>
}

/** A request that waits in the sandbox. */
export declare class HeldRequest {
  private constructor()
  /** Resolves when a request is held. Rejects with `CLOSED` when the sandbox closes before. */
  arrived(options?: CallOptions): Promise<void>
  /** Lets it go on. */
  release(): void
}

/** What a person decides on the consent page. */
export interface ConsentOptions {
  /** Who they are at the provider. @default the account's `identifier` */
  user?: string
  /** What they allow of what the link asks. @default all of it */
  scopes?: string[]
}

/** A person to connect. */
export interface ConnectOptions extends ConsentOptions {
  /** Your app's own id of the person. */
  identifier: string
  /** @default 'sandbox' */
  connectionName?: string
  /** The tenant of your app, where it has several. */
  organizationId?: string
}

/** Where a person's browser ends. */
export interface LinkFollowed {
  /** The page that tells how it ended, or your verify URL with its `auth_request_id`. */
  redirectUrl: string
}

/** One account, or every one when `identifier` is left out. */
export interface WhoseOptions {
  /** Your app's own id of the person. */
  identifier?: string
  /** @default 'sandbox' */
  connectionName?: string
  /** The tenant of your app, where it has several. */
  organizationId?: string
}

/** What is left. */
export interface NarrowOptions extends WhoseOptions {
  /** Every other scope is taken back. */
  scopes: string[]
}

/** A key to make. */
export interface KeyOptions {
  /** Whose it is. @default 'ada' */
  user?: string
  /** What it may do; with none, the provider answers 403. @default ['read', 'write'] */
  permissions?: string[]
}

/** Which requests are meant. */
export interface RequestsOptions {
  /** Their path: `/token` for exchanges and refreshes, `/me` for the probe, or one of the API. @default any */
  path?: string
  /** How many of them. @default 1 */
  times?: number
}

/** How requests fail. */
export interface FailOptions extends RequestsOptions {
  /** From 400 to 599. */
  status: number
  /** Seconds, for the header `Retry-After`. */
  retryAfter?: number
}

/** How long requests take. */
export interface SlowOptions extends RequestsOptions {
  /** Of real time. */
  milliseconds: number
}

/** Which request is held. */
export type HoldOptions = Pick<RequestsOptions, 'path'>

/** Which answers are lost. */
export interface DropOptions extends RequestsOptions {
  /** Whether the first half of the answer arrives. @default false */
  partway?: boolean
}

/** An answer. */
export interface ReplyOptions {
  /** Such as `/gmail/v1/users/me/messages`. */
  path: string
  /** @default any method */
  method?: string
  /** @default 200 */
  status?: number
  /** Any JSON. @default no body */
  body?: unknown
  /** The scope that it takes; without it, the provider answers 403. @default any that is left */
  scope?: string
}

/** Time to pass: the sum of what is given. */
export interface AdvanceOptions {
  days?: number
  hours?: number
  minutes?: number
  seconds?: number
  milliseconds?: number
}

/** A request that arrived at the provider. */
export interface ArrivedRequest {
  /** By the sandbox's clock. */
  at: Date
  method: string
  /** Below the sandbox, such as `/me` or `/token`. */
  path: string
  /** Without the `?`; empty when there was none. */
  query: string
  /** By lower-case name, without credentials. */
  headers: Record<string, string>
  /** Whose credential came along, where it worked. */
  user?: string
  /** What the token endpoint was asked: `authorization_code` or `refresh_token`. */
  grantType?: string
  /** What was answered; absent while nothing is, and when the answer was dropped. */
  status?: number
}
