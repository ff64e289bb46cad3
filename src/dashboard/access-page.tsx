// Who may come in: API tokens, the rules that give people their roles, and the sessions that are open. Each part is there for
// whom the gateway lets see it.
import { useFeed } from './feed.ts'
import type { ApiRoleRule, ApiRows, ApiSession, ApiToken } from './access-data.ts'
import { grantText, mayCall } from './me.ts'
import { type Desk, PageFrame } from './page-frame.tsx'
import { Link, pathOf } from './router.tsx'
import { RoleRules } from './role-rules.tsx'
import { Sessions } from './sessions.tsx'
import { Tokens } from './tokens.tsx'

export function AccessPage({ desk }: { readonly desk: Desk }) {
  const { me } = desk
  const tokens = useRows<ApiToken>(desk, 'tokens')
  const rules = useRows<ApiRoleRule>(desk, 'rules')
  const sessions = useRows<ApiSession>(desk, 'sessions')
  const you = me !== null && (
    <p class="muted">
      You are {me.who}, {grantText(me, desk.names)}.{' '}
      <Link to={pathOf({ page: 'reference', id: '' })}>API reference</Link>
    </p>
  )
  return (
    <PageFrame desk={desk} title="Access" feeds={[tokens, rules, sessions]} aside={you}>
      {mayCall(me, 'GET /access/tokens') && <Tokens desk={desk} feed={tokens} />}
      {mayCall(me, 'GET /access/rules') && <RoleRules desk={desk} feed={rules} />}
      <Sessions desk={desk} feed={sessions} />
    </PageFrame>
  )
}

/** The rows of a part; none for whom it isn't. */
function useRows<Row>({ api, isPaused, me }: Desk, part: 'tokens' | 'rules' | 'sessions') {
  const maySee = mayCall(me, `GET /access/${part}`)
  return useFeed<ApiRows<Row>>({
    key: `${part} ${maySee}`,
    load: async (signal) => (maySee ? api.read<ApiRows<Row>>(`/admin/access/${part}`, ['rows'], signal) : { rows: [] }),
    isPaused,
  })
}
