/** A promise, and the way to resolve it from elsewhere. */
export function deferred() {
  let resolve
  const promise = new Promise((resolved) => (resolve = resolved))
  return { promise, resolve }
}
