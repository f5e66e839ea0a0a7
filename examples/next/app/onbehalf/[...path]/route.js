/** onbehalf's own pages. */
import { handler } from '../../../lib/onbehalf.js'

export { handler as GET, handler as POST }
