// A provider in which everybody may log in under any address; `unverified...` are not verified.
import Provider from "oidc-provider";

const port = process.argv[2];
const redirect_uris = ["https://desk.velo.test/login/sso/callback"];
const provider = new Provider(`http://127.0.0.1:${port}`, {
  clients: [{ client_id: "postroom", client_secret: "secret of the tests: 100%", redirect_uris }],
  pkce: { required: () => true },
  features: { devInteractions: { enabled: true } },
  claims: { openid: ["sub"], email: ["email", "email_verified"], profile: ["name"] },
  findAccount: (_, id) => ({
    accountId: id,
    claims: () => ({ sub: id, email: id, email_verified: !id.startsWith("unverified"), name: "Somebody" }),
  }),
});
provider.listen(port, "127.0.0.1", () => console.log("ready"));
