// What each endpoint of the admin API does, in a line, and what it answers with. The rest of the description comes from the
// router, the table of permissions and the schemas.

/** `page`: `{rows, next}`. `made`: 201 with the thing. `done`: 204. `begun`: 202. `away`: a redirect. `socket`: 101. Else an
 *  object. */
export type AnswerKind = 'object' | 'page' | 'made' | 'done' | 'begun' | 'away' | 'socket' | 'table'

export interface Words {
  readonly says: string
  readonly answers: AnswerKind
}

const words = (says: string, answers: AnswerKind = 'object'): Words => ({ says, answers })

/** Create, list, read, change and delete of one kind of thing. */
function resource(path: string, one: string, all: string, more: string): Readonly<Record<string, Words>> {
  return {
    [`POST ${path}`]: words(`Makes ${one}. ${more}`.trim(), 'made'),
    [`GET ${path}`]: words(`Lists ${all}, oldest first.`, 'page'),
    [`GET ${path}/:id`]: words(`Reads ${one}.`),
    [`PATCH ${path}/:id`]: words(`Changes ${one}: what is left out stays as it is.`),
    [`DELETE ${path}/:id`]: words(`Deletes ${one}.`, 'done'),
  }
}

export const WORDS: Readonly<Record<string, Words>> = {
  'GET /sign-in': words('Tells the ways to sign in.'),
  'GET /sign-in/access': words('Signs in by Cloudflare Access, and leads to the dashboard.', 'away'),
  'GET /sign-in/oidc': words('Leads to the OpenID provider.', 'away'),
  'GET /sign-in/callback': words('Takes the OpenID provider’s answer, and leads to the dashboard.', 'away'),
  'GET /me': words('Tells who is calling, and which endpoints they may call.'),
  'POST /sign-out': words('Ends the session of this browser.', 'done'),

  'GET /access/tokens': words('Lists API tokens.', 'page'),
  'POST /access/tokens': words('Makes an API token. The answer has its secret, this once.', 'made'),
  'POST /access/tokens/:id/rotate': words('Gives a token a new secret; the old one holds for as long as is asked.'),
  'POST /access/tokens/:id/revoke': words('Ends a token for good.'),
  'GET /access/rules': words('Lists the rules that give those who sign in their role.', 'page'),
  'POST /access/rules': words('Makes a rule: who signs in with such a claim has such a role.', 'made'),
  'DELETE /access/rules/:id': words('Deletes a rule.', 'done'),
  'GET /access/sessions': words('Lists sessions, newest first: one’s own, and to operators others’.', 'page'),
  'DELETE /access/sessions/:id': words('Ends a session.', 'done'),
  'GET /audit': words('The audit log, newest first.', 'page'),

  ...resource('/tenants', 'a tenant', 'tenants', ''),
  'GET /tenants/:tenant/end-users': words('Lists the end users of a tenant that have limits of their own.', 'page'),
  'GET /tenants/:tenant/end-users/:user': words('Reads an end user’s own limits.'),
  'PUT /tenants/:tenant/end-users/:user': words('Sets an end user’s own limits, all of them.'),
  'DELETE /tenants/:tenant/end-users/:user': words('Takes an end user’s own limits away.', 'done'),
  ...resource('/teams', 'a team', 'teams', ''),

  ...resource('/keys', 'a virtual key', 'virtual keys', 'The answer has its secret, this once.'),
  'GET /keys/use': words('When each key was last used.'),
  'GET /keys/lines': words('A page of keys, searched and sorted, with what each spent and how its budgets stand.'),
  'GET /keys/names': words('The names of keys by their ids.'),
  'GET /keys/:id/limits': words('The limits that a key is held to at every level, as they stand.'),
  'GET /keys/:id/requests': words('The latest requests of a key, newest first.', 'page'),
  'POST /keys/:id/rotate': words(
    'Gives a key another secret; those of before hold for as long as is asked, and no longer. The answer has the secret, this once.',
  ),
  'POST /keys/:id/rotate/finish': words('Ends the secrets of before at once, where a key was rotated with an overlap.'),
  'POST /keys/:id/revoke': words('Ends a key for good.'),

  'GET /credentials': words('Lists credentials, oldest first: the end of each, never its value.', 'page'),
  'POST /credentials': words('Stores a credential, encrypted, or gives a secret of the Worker a name.', 'made'),
  'POST /credentials/reseal': words('Encrypts under CREDENTIAL_KEY what is under CREDENTIAL_KEY_PREVIOUS.'),
  'GET /credentials/:name': words('Reads what is told of a credential.'),
  'POST /credentials/:name/rotate': words(
    'Replaces a credential; what it was is tried behind it for as long as is asked.',
  ),
  'POST /credentials/:name/check': words(
    'Asks the provider whether it accepts a credential, by a call that costs nothing.',
  ),
  'DELETE /credentials/:name': words('Deletes a credential that no target uses.', 'done'),
  ...resource('/targets', 'a target', 'targets', 'It is called once first, and refused where that fails.'),
  ...resource('/routes', 'a route', 'routes', ''),
  ...resource('/presets', 'a preset', 'presets', ''),
  'GET /switches': words('Lists what is switched off.', 'page'),
  'PUT /switches/:kind/:id{.+}': words('Takes something out of service, or puts it back.'),
  'GET /breakers': words('How the circuit breakers of targets stand, region by region, as far as they have told.'),
  'POST /publish': words('Publishes everything again; while `next` isn’t null, call again with `after` set to it.'),
  'GET /configuration': words('The whole configuration as one document, with its revision.'),
  'POST /configuration/plan': words('What a document would change.'),
  'POST /configuration/apply': words('Bulk: changes all that a document says, in one transaction, or nothing.'),
  'GET /configuration/revisions': words('Lists the revisions that are kept, newest first.', 'page'),
  'GET /configuration/revisions/:revision': words('A revision, and what it changed.'),
  'POST /configuration/rollback': words('Goes back to a revision, in one transaction.'),

  'GET /prices': words('Lists own prices and margins, and tells the price list that counts.', 'page'),
  'POST /prices': words('Adds a price or a margin.', 'made'),
  'POST /prices/refresh': words('Fetches the price list.'),
  'PUT /prices/pin': words('Holds on to a version of the price list, or lets go.'),
  'GET /prices/:id': words('Reads a price.'),
  'DELETE /prices/:id': words('Deletes a price.', 'done'),
  'POST /rerate': words('Charges the past anew, by entries that correct it; or tells what would change.'),
  'POST /reconcile': words('Compares the ledger with what limiters and roll-ups hold for true.'),

  'GET /overview': words('The configuration with the live spend of budgets.'),
  'GET /live': words(
    'A WebSocket that tells, a second after the other at most, what kind of thing has changed.',
    'socket',
  ),
  'GET /summary': words(
    'Where things stand, in a few figures: the sums and the dearest; only these `tables`, where told.',
  ),
  'GET /summary/history': words('The same figures over time.'),
  'GET /usage': words('Sums of usage, by time and by whose it was.'),
  'GET /forecast': words('What the month will have cost, with a band that holds four times in five.'),
  'GET /reports': words('Any metrics by any groups, as JSON, CSV or NDJSON by `Accept`.', 'table'),
  'GET /exports/:what{events|focus}': words('Every event, or FOCUS rows, as a stream of CSV or NDJSON.', 'table'),
  'GET /requests': words('Attempts, newest first, all or those that are looked for.', 'page'),
  'GET /requests/in-flight': words('Requests of a tenant that run: 1,000 at most, `has_more` tells of others.'),
  'POST /requests/:id/cancel': words('Ends a request that runs, within seconds.', 'begun'),
  'GET /requests/:id/bodies': words('The prompt and the reply of a request, where its tenant keeps them.'),

  'GET /alerts': words('The history of alerts, newest first.', 'page'),
  ...resource('/alert-channels', 'an alert channel', 'alert channels', ''),
  'POST /alert-channels/:id/test': words('Sends a test to a channel.'),
  'GET /alert-rules': words('Everybody’s alert rules, and tenants’ own.'),
  'PUT /alert-rules': words('Sets everybody’s alert rules, all of them.'),
  'DELETE /alert-rules': words('Goes back to the usual alert rules.', 'done'),
  'GET /alert-rules/:tenant': words('The alert rules that hold for a tenant.'),
  'PUT /alert-rules/:tenant': words('Sets a tenant’s own alert rules, all of them.'),
  'DELETE /alert-rules/:tenant': words('Takes a tenant’s own alert rules away.', 'done'),
}

/** What a handler reads of its query without a schema. */
export const EXTRA_QUERY: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  'POST /publish': { after: 'The `next` of the call before.' },
  'GET /sign-in/callback': { state: 'The provider’s answer.', code: 'The provider’s answer.' },
}

/** The area of an endpoint, by the first part of its path. */
export const AREAS: Readonly<Record<string, string>> = {
  'sign-in': 'Access',
  me: 'Access',
  'sign-out': 'Access',
  access: 'Access',
  audit: 'Access',
  tenants: 'Tenants and teams',
  teams: 'Tenants and teams',
  keys: 'Virtual keys',
  targets: 'Routing',
  credentials: 'Routing',
  routes: 'Routing',
  presets: 'Routing',
  switches: 'Routing',
  breakers: 'Routing',
  publish: 'Configuration',
  configuration: 'Configuration',
  prices: 'Prices',
  rerate: 'Prices',
  reconcile: 'Reports',
  live: 'Reports',
  overview: 'Reports',
  summary: 'Reports',
  usage: 'Reports',
  reports: 'Reports',
  forecast: 'Reports',
  exports: 'Reports',
  requests: 'Requests',
  alerts: 'Alerts',
  'alert-channels': 'Alerts',
  'alert-rules': 'Alerts',
}
