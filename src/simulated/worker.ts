// Entry of the simulated providers as a Worker of their own.
import { handleSimulated } from './handle-simulated.ts'

export default {
  fetch: (request: Request): Promise<Response> => handleSimulated(request),
} satisfies ExportedHandler
