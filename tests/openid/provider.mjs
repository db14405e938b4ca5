// A real OpenID provider for the tests: node provider.mjs PORT REDIRECT_URI
import Provider from 'oidc-provider';

const [port, redirectUri] = process.argv.slice(2);
const issuer = `http://localhost:${port}`;
// Whoever signs in as "planner" is one; the roles are groups as a force would name them.
const groups = { planner: ['Bluelamp planners'], chief: ['Bluelamp chiefs'], nobody: [] };

const provider = new Provider(issuer, {
  clients: [{ client_id: 'bluelamp', client_secret: 'a secret of the tests', redirect_uris: [redirectUri], grant_types: ['authorization_code'], response_types: ['code'] }],
  pkce: { required: () => true },
  claims: { openid: ['sub'], profile: ['preferred_username', 'groups', 'areas'] },
  // Claims stand in the token itself, as most forces' providers have it.
  conformIdTokenClaims: false,
  cookies: { keys: ['of the tests'] },
  findAccount: (_context, id) => ({
    accountId: id,
    claims: () => ({ sub: id, preferred_username: `${id}@force.example`, groups: groups[id] ?? [], areas: ['D1'] }),
  }),
});
provider.listen(Number(port), () => console.log('ready'));
