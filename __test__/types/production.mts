import { Onbehalf } from 'onbehalf'

declare const clientId: string
declare const clientSecret: string

// What follows is the README's.
const onbehalf = new Onbehalf({
  store: '/var/lib/app/onbehalf.db', // on a disk that is backed up
  key: process.env.ONBEHALF_KEY, // from `openssl rand -base64 32`; keep it well: without it nothing opens
  publicUrl: 'https://connect.example.com', // what your TLS proxy leads to `port`
  appName: 'Example', // who asks, on the pages
  userVerification: 'app', // your app confirms that who consented is who was asked
  userVerifyUrls: ['https://app.example.com/verify'], // there, call `verifyConnectedAccountUser` with the session's user
  connections: { gmail: { clientId, clientSecret } }, // redirect URI: https://connect.example.com/callback/gmail
})
await onbehalf.listen() // and `await onbehalf.close()` when your process ends

onbehalf.on('statusChanged', ({ identifier, connectionName, status, reason }) => {
  if (status === 'EXPIRED') console.log(`${identifier} must authorize ${connectionName} again: ${reason}`)
})
