// Runs graphql-http's server audits against a URL, one after the other, and prints each outcome as JSON.
// Usage: node server_audits.mjs <folder with node_modules> <url> <API key>
import { createRequire } from "node:module";
import { join } from "node:path";

const [folder, url, key] = process.argv.slice(2);
const { serverAudits } = createRequire(join(folder, "package.json"))("graphql-http");

const withKey = (address, options = {}) => {
  const headers = new Headers(options.headers);
  headers.set("authorization", `Bearer ${key}`);
  return fetch(address, { ...options, headers });
};

const outcomes = [];
for (const audit of serverAudits({ url, fetchFn: withKey })) {
  const { status, reason } = await audit.fn();
  outcomes.push({ id: audit.id, name: audit.name, status, reason });
}
console.log(JSON.stringify(outcomes));
