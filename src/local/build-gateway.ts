// `npm run build:gateway`: the gateway's modules as wrangler uploads them. Run by wrangler itself before it deploys.
import path from 'node:path'
import { ROOT, writeGateway } from './bundle.ts'

await writeGateway(path.join(ROOT, 'dist/gateway'))
