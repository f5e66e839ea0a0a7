/** The app's one environment. */
import { Onbehalf } from 'onbehalf'

const origin = process.env.ORIGIN ?? 'http://localhost:3000'

// Next loads a module anew when it changes; one environment is enough.
export const { actions, handler } = (globalThis.onbehalf ??= new Onbehalf({
  publicUrl: `${origin}/onbehalf`,
  userVerification: 'app',
  userVerifyUrls: [`${origin}/verify`],
}))

// A stand-in: everyone is this user. Yours is whom your session names, never one that the URL names.
export const accountOf = (_request) => ({ connectionName: 'gmail', identifier: 'user_123' })
