/**
 * Google on this machine: its consent page, token endpoint, Gmail and Calendar, by `@emulators/google`.
 *
 * It checks PKCE, redirect URIs, client secrets, refresh tokens and bearers. It has no refusal and no expiry of its
 * own; `expireAccessTokens` and `revoke` bring them about.
 */
import { createServer as createEmulator } from '@emulators/core'
import { getGoogleStore, googlePlugin, seedFromConfig } from '@emulators/google'

import { listenerOf, serve } from './serve.mjs'

/** Who has a mailbox there, and what is in it, the newest first. */
export const ada = {
  email: 'ada@example.com',
  name: 'Ada Lovelace',
  mail: [
    { from: 'Charles Babbage <charles@example.com>', subject: 'The engine arrives on Thursday' },
    { from: 'Mary Somerville <mary@example.com>', subject: 'Dinner, and a proof to show you' },
    { from: 'Royal Society <library@example.com>', subject: 'Your book is ready to be collected' },
  ],
}

/**
 * Starts it with one registered app, whose redirect URIs are those given.
 *
 * `onRequest(method, path)` hears of every request before it is answered.
 */
export async function startGoogle({ redirectUris, people = [ada], onRequest = () => {} }) {
  const clientId = 'demo.apps.googleusercontent.com'
  const clientSecret = 'GOCSPX-demo'

  let emulator
  const server = await serve(
    listenerOf(
      (request) => {
        onRequest(request.method, new URL(request.url).pathname)
        return emulator.app.fetch(request)
      },
      () => server.origin,
    ),
  )
  const { origin } = server
  emulator = createEmulator(googlePlugin, { baseUrl: origin })
  addProfile(emulator)
  seedFromConfig(emulator.store, origin, {
    users: people.map(({ email, name }) => ({ email, name })),
    oauth_clients: [
      { client_id: clientId, client_secret: clientSecret, name: 'onbehalf', redirect_uris: redirectUris },
    ],
    messages: people.flatMap(({ email, mail = [] }) =>
      mail.map((message, hours) => ({
        ...message,
        to: email,
        user_email: email,
        label_ids: ['INBOX'],
        date: new Date(Date.now() - hours * 3_600_000).toISOString(),
      })),
    ),
    calendars: people.map(({ email }) => ({ id: 'primary', user_email: email, summary: email, primary: true })),
  })

  return {
    origin,
    clientId,
    clientSecret,
    /** What a connection says to be sent here instead of to Google. */
    endpoints: {
      authorizeUrl: `${origin}/o/oauth2/v2/auth`,
      tokenUrl: `${origin}/oauth2/token`,
      revokeUrl: `${origin}/oauth2/revoke`,
      baseUrl: origin,
    },
    /** Makes every access token stop working, as an hour does. */
    expireAccessTokens: () => emulator.tokenMap.clear(),
    /** Makes every grant end, as a person does on Google's page of their account. */
    revoke() {
      emulator.tokenMap.clear()
      emulator.store.getData('google.oauth.refreshTokens')?.clear()
    },
    close: server.close,
  }
}

/** `users.getProfile`, which the emulator lacks. https://developers.google.com/gmail/api/reference/rest/v1/users/getProfile */
function addProfile({ app, store }) {
  app.get('/gmail/v1/users/me/profile', (context) => {
    const user = context.get('authUser')
    if (!user) return context.json({ error: { code: 401, status: 'UNAUTHENTICATED' } }, 401)
    const messages = getGoogleStore(store).messages.findBy('user_email', user.login)
    const threads = new Set(messages.map((message) => message.thread_id))
    return context.json({
      emailAddress: user.login,
      messagesTotal: messages.length,
      threadsTotal: threads.size,
      historyId: '1',
    })
  })
}
