// Every dialect and every protocol, loaded: for tests that run over all of them, and for whatever looks one up afterwards.
import { dialects as lateDialects } from '../../src/dialects/index.ts'
import { protocols as lateProtocols } from '../../src/protocols/index.ts'

export const dialects = await lateDialects.all()
export const protocols = await lateProtocols.all()
