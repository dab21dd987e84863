// scripts/bench-restore: see there.
import { parseArgs } from "node:util";
import { makeLedger } from "./ledger.mjs";
import { measureByHand } from "./by-hand.mjs";
import { measureCuts } from "./cuts.mjs";
import { measureLoad } from "./load.mjs";
import { measureMoments } from "./moments.mjs";

const { values: options } = parseArgs({
  options: {
    moments: { type: "string", default: "20" },
    cuts: { type: "string", default: "20" },
    size: { type: "string", default: "5120" },
    load: { type: "string", default: "30" },
    os: { type: "string", default: "debian-13" },
  },
});
const say = (text) => process.stdout.write(`${text}\n`);

const ledger = await makeLedger(options.os);
let isAllRight = true;
try {
  for (const [measure, amount] of [
    [measureMoments, Number(options.moments)],
    [measureCuts, Number(options.cuts)],
    [measureByHand, Number(options.size)],
    [measureLoad, Number(options.load)],
  ])
    if (amount > 0) isAllRight = (await measure(ledger, amount, say)) && isAllRight;
} finally {
  await ledger.down();
}
process.exitCode = isAllRight ? 0 : 1;
