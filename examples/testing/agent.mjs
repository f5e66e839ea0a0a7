const unconnected = ['CONNECTED_ACCOUNT_NOT_FOUND', 'AUTHORIZATION_REQUIRED', 'REAUTHORIZATION_REQUIRED']

/** A small agent: it reads a person's mail, and says what it found. `actions` are onbehalf's. */
export async function unread(actions, identifier) {
  const person = { connectionName: 'gmail', identifier }
  try {
    const path = '/gmail/v1/users/me/messages'
    const { status, data, headers } = await actions.request({ ...person, path, queryParams: { q: 'is:unread' } })
    if (status === 429) return { later: Number(headers['retry-after']) }
    return { count: data.resultSizeEstimate }
  } catch (error) {
    // They are new, never gave their consent, or took it back.
    if (!unconnected.includes(error.code)) throw error
    const { link } = await actions.getAuthorizationLink(person)
    return { link }
  }
}
