// Makes one call with jsforce, the client that Salesforce's own command line uses, as stdin says:
// {url, token, call: "query" | "describe" | "update", with: a query, an object, records}
const { Connection } = require("@jsforce/jsforce-node");

const asked = JSON.parse(require("fs").readFileSync(0, "utf8"));
const connection = new Connection({
  instanceUrl: asked.url,
  accessToken: asked.token,
  version: "67.0",
});
const calls = {
  query: () => connection.query(asked.with, { autoFetch: true, maxFetch: 10000 }),
  describe: () => connection.sobject(asked.with).describe(),
  update: () => connection.sobject("Opportunity").update(asked.with, { allOrNone: false }),
};
calls[asked.call]()
  .then((answer) => console.log(JSON.stringify({ answer })))
  .catch((error) => console.log(JSON.stringify({ error: error.errorCode || error.message })));
