// `npm run check:bundles`: dry-runs the deployment of every Worker; exit code 1 if one may not be deployed.
import { dryRunAll } from './dry-run.ts'

process.exitCode = (await dryRunAll(console.log)) ? 0 : 1
