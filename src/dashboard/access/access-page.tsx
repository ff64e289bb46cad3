// Who may come in: API tokens, the rules that give people their roles, and the sessions that are open; and with what the gateway
// goes to providers. Each part is there for whom the gateway lets see it.
import type { ApiCredential } from './credential-data.ts'
import { Credentials } from './credentials.tsx'
import { useFeed } from '../live/feed.ts'
import type { ApiRoleRule, ApiRows, ApiSession, ApiToken } from './access-data.ts'
import { grantText, mayCall } from '../frame/me.ts'
import { type Desk, PageFrame } from '../frame/page-frame.tsx'
import { Link, pathOf } from '../frame/router.tsx'
import { RoleRules } from './role-rules.tsx'
import { Sessions } from './sessions.tsx'
import { Tokens } from './tokens.tsx'

export function AccessPage({ desk }: { readonly desk: Desk }) {
  const { me } = desk
  const credentials = useRows<ApiCredential>(desk, 'credentials')
  const tokens = useRows<ApiToken>(desk, 'access/tokens')
  const rules = useRows<ApiRoleRule>(desk, 'access/rules')
  const sessions = useRows<ApiSession>(desk, 'access/sessions')
  const you = me !== null && (
    <p class="muted">
      You are {me.who}, {grantText(me, desk.names)}.{' '}
      <Link to={pathOf({ page: 'reference', id: '' })}>API reference</Link>
    </p>
  )
  return (
    <PageFrame desk={desk} title="Access" feeds={[credentials, tokens, rules, sessions]} aside={you}>
      {mayCall(me, 'GET /credentials') && <Credentials desk={desk} feed={credentials} />}
      {mayCall(me, 'GET /access/tokens') && <Tokens desk={desk} feed={tokens} />}
      {mayCall(me, 'GET /access/rules') && <RoleRules desk={desk} feed={rules} />}
      <Sessions desk={desk} feed={sessions} />
    </PageFrame>
  )
}

/** The rows of a part; none for whom it isn't. */
function useRows<Row>({ api, isPaused, me }: Desk, part: string) {
  const maySee = mayCall(me, `GET /${part}`)
  return useFeed<ApiRows<Row>>({
    key: `${part} ${maySee}`,
    load: async (signal) => (maySee ? api.read<ApiRows<Row>>(`/admin/${part}`, ['rows'], signal) : { rows: [] }),
    isPaused,
    isAwaiting: me === null,
    changesWith: ['access'],
  })
}
