// The last step of `npm run build:dashboard`: the schema of the configuration's file, beside the dashboard.
import { writeSchema } from './json-schema.ts'

await writeSchema()
