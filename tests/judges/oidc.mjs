// A certified OpenID Connect provider, for tests of signing in. Its first line says where it listens.
// What a test wants of it is said by POST /test/...: people and their groups, clients, new keys.
import { createServer } from 'node:http';
import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { Provider } from 'oidc-provider';

const AUDIENCE = 'https://c2c.example/api';
const people = new Map();
const lifetimes = { code: 60, access: 600 };
const kept = new Map();

class Adapter {
  constructor(model) { this.model = model; }
  key(id) { return `${this.model} ${id}`; }
  async upsert(id, payload, expiresIn) {
    kept.set(this.key(id), { payload, until: expiresIn ? Date.now() + expiresIn * 1000 : Infinity });
  }
  async find(id) {
    const found = kept.get(this.key(id));
    return found && found.until > Date.now() ? found.payload : undefined;
  }
  async by(name, value) {
    for (const [key, { payload, until }] of kept) {
      if (key.startsWith(`${this.model} `) && payload[name] === value && until > Date.now()) return payload;
    }
    return undefined;
  }
  findByUserCode(code) { return this.by('userCode', code); }
  findByUid(uid) { return this.by('uid', uid); }
  async destroy(id) { kept.delete(this.key(id)); }
  async consume(id) { (await this.find(id)).consumed = Math.floor(Date.now() / 1000); }
  async revokeByGrantId(grantId) {
    for (const [key, { payload }] of kept) if (payload.grantId === grantId) kept.delete(key);
  }
}

function key() {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  return { ...privateKey.export({ format: 'jwk' }), use: 'sig', alg: 'ES256', kid: randomBytes(6).toString('hex') };
}

const cookieKeys = [randomBytes(16).toString('hex')];
const claimsOf = (id) => ({ sub: id, ...people.get(id) });

function build(issuer, keys) {
  const provider = new Provider(issuer, {
    adapter: Adapter,
    jwks: { keys },
    cookies: { keys: cookieKeys },
    clientDefaults: { id_token_signed_response_alg: 'ES256' },
    conformIdTokenClaims: false,
    claims: { openid: ['sub'], profile: ['name', 'groups'], email: ['email', 'email_verified'] },
    scopes: ['openid', 'offline_access', 'c2c:finance', 'c2c:viewer'],
    findAccount: async (ctx, id) => (people.has(id) ? { accountId: id, claims: async () => claimsOf(id) } : undefined),
    extraTokenClaims: async (ctx, token) => (token.accountId ? claimsOf(token.accountId) : undefined),
    interactions: { url: (ctx, { uid }) => `/interaction/${uid}` },
    issueRefreshToken: async (ctx, client, code) => client.grantTypeAllowed('refresh_token') && code.scopes.has('offline_access'),
    rotateRefreshToken: true,
    // Its own refuses addresses of this machine.
    fetch: (url, { method, headers, body: content, redirect }) => fetch(url, { method, headers, body: content, redirect }),
    pkce: { required: () => true },
    enabledJWA: { clientAuthSigningAlgValues: ['ES256', 'RS256', 'HS256'] },
    ttl: {
      AuthorizationCode: () => lifetimes.code,
      AccessToken: () => lifetimes.access,
      ClientCredentials: 600, IdToken: 36000, RefreshToken: 3600, Session: 3600, Grant: 3600, Interaction: 600, DeviceCode: 600,
    },
    features: {
      devInteractions: { enabled: false },
      backchannelLogout: { enabled: true },
      clientCredentials: { enabled: true },
      deviceFlow: { enabled: true },
      revocation: { enabled: true },
      rpInitiatedLogout: { enabled: true },
      resourceIndicators: {
        enabled: true,
        defaultResource: () => undefined,
        useGrantedResource: () => true,
        getResourceServerInfo: () => ({
          audience: AUDIENCE, scope: 'c2c:finance c2c:viewer', accessTokenFormat: 'jwt', accessTokenTTL: lifetimes.access,
        }),
      },
    },
    async loadExistingGrant(ctx) {
      const grant = new ctx.oidc.provider.Grant({ clientId: ctx.oidc.client.clientId, accountId: ctx.oidc.session.accountId });
      grant.addOIDCScope('openid profile email offline_access');
      grant.addResourceScope(AUDIENCE, 'c2c:finance c2c:viewer');
      await grant.save();
      return grant;
    },
  });
  return provider;
}

async function body(request) {
  const parts = [];
  for await (const part of request) parts.push(part);
  return JSON.parse(Buffer.concat(parts).toString() || '{}');
}

let provider;
let keys = [key()];

async function act(name, asked) {
  if (name === 'people') people.set(asked.sub, asked.claims);
  else if (name === 'clients') await new Adapter('Client').upsert(asked.client_id, asked);
  else if (name === 'lifetimes') Object.assign(lifetimes, asked);
  else if (name === 'rotate') {
    keys = [key()];
    provider = build(issuer, keys);
  } else throw new Error(`no such act: ${name}`);
}

let issuer;
const server = createServer(async (request, response) => {
  const url = new URL(request.url, issuer);
  try {
    if (url.pathname.startsWith('/test/')) {
      await act(url.pathname.slice('/test/'.length), await body(request));
      response.end('{}');
    } else if (url.pathname.startsWith('/interaction/') && url.searchParams.has('account')) {
      const account = url.searchParams.get('account');
      const result = account ? { login: { accountId: account }, consent: {} } : { error: 'access_denied' };
      await provider.interactionFinished(request, response, result, { mergeWithLastSubmission: false });
    } else if (url.pathname.startsWith('/interaction/')) {
      response.end('who are you?');
    } else {
      provider.callback()(request, response);
    }
  } catch (error) {
    console.error(error);
    response.statusCode = 500;
    response.end(String(error));
  }
});
server.listen(0, '127.0.0.1', () => {
  issuer = `http://127.0.0.1:${server.address().port}`;
  provider = build(issuer, keys);
  console.log(issuer);
});
process.stdin.on('end', () => process.exit(0));
process.stdin.resume();
