// A step of `npm run build:dashboard`: the description of the API, beside the dashboard.
import { writeDescription } from './file.ts'

await writeDescription()
