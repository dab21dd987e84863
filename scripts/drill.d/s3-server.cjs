// scripts/drill --storage s3: an S3 server on this machine. Words: the folder that s3rver is installed in, the folder for its data.
const { readFileSync } = require("node:fs");
const path = require("node:path");
const { createRequire } = require("node:module");

const [work, directory] = process.argv.slice(2);
const installed = createRequire(path.join(work, "package.json"));
const S3rver = installed("@20minutes/s3rver");
// A second key, for scripts/append-only.
const accounts = installed(path.join(work, "node_modules/@20minutes/s3rver/lib/models/account"));
accounts.DUMMY_ACCOUNT.createKeyPair("KEEPER", "KEEPER");
const server = new S3rver({
  address: "0.0.0.0",
  port: 0,
  directory,
  silent: true,
  key: readFileSync(path.join(work, "key.pem")),
  cert: readFileSync(path.join(work, "certificate.pem")),
  configureBuckets: [{ name: "drill" }],
  allowMismatchedSignatures: true,
  // Any name of this machine is its service, and no bucket.
  vhostBuckets: false,
});
server.run().then(({ port }) => process.stdout.write(`${port}\n`));
