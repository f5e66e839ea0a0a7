/** The environment variables that are read: the process's, but for tests, which must not depend on their machine's. */
let read = true

module.exports.variables = () => (read ? process.env : {})

/** Makes something that reads none. */
module.exports.withoutVariables = (make) => {
  read = false
  try {
    return make()
  } finally {
    read = true
  }
}
