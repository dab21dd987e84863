// A deploy with nothing to do, beside the floor: one OpenSSH login that asks the host once, as scripts/bench has it.
import { readFile } from "node:fs/promises";
import { execa } from "execa";
import { sshArguments } from "../../dist/lab/login.js";

const times = 11;

async function secondsOf(work) {
  const from = performance.now();
  await work();
  return (performance.now() - from) / 1000;
}

/** In turn, so that both have the same machine. @returns seconds of each, in order */
export async function measureIdle(shop, say) {
  say(`a deploy with nothing to do, and the floor: ${times} times in turn`);
  const probe = await readFile(new URL("../bench.d/peers/probe.sh", import.meta.url), "utf8");
  const floor = [];
  const deploy = [];
  for (let n = 0; n < times; n += 1) {
    floor.push(
      await secondsOf(() =>
        execa("ssh", [...sshArguments(shop.host), "sh -s"], { input: probe, reject: false }),
      ),
    );
    deploy.push(await secondsOf(() => shop.hostkit("deploy", "page", "--yes")));
  }
  return { floor, deploy };
}
