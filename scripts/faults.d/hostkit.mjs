// The command line, as a user with a home of their own calls it. For scripts that try it on lab hosts.
import { spawn } from "node:child_process";
import path from "node:path";

const cli = path.resolve(import.meta.dirname, "../../dist/cli.js");

/** Calls hostkit in a project's folder. `text` is what it has said so far; `ended` gives its exit code, and 124 where it took too long. */
export function callHostkit(folder, words, seconds = 900) {
  const environment = {
    ...process.env,
    HOME: folder,
    XDG_STATE_HOME: path.join(folder, ".state"),
    NO_COLOR: "1",
  };
  const child = spawn("node", [cli, ...words], {
    cwd: folder,
    env: environment,
    stdio: ["ignore", "pipe", "pipe"],
  });
  const call = { child, text: "" };
  const collect = (chunk) => void (call.text += chunk);
  child.stdout.on("data", collect);
  child.stderr.on("data", collect);
  let isLate = false;
  const timer = setTimeout(() => {
    isLate = true;
    child.kill("SIGKILL");
  }, seconds * 1000);
  call.ended = new Promise((resolve) => {
    child.on("close", (code, signal) => {
      clearTimeout(timer);
      resolve(isLate ? 124 : (code ?? signal));
    });
  });
  return call;
}

/** Calls it; it has to end well. @returns what it said, and how many seconds it took @throws Error with the end of what it said */
export async function mustEndWell(folder, words, seconds) {
  const began = performance.now();
  const call = callHostkit(folder, words, seconds);
  const code = await call.ended;
  if (code === 0) return { text: call.text, seconds: (performance.now() - began) / 1000 };
  throw new Error(`hostkit ${words.join(" ")} ended with ${code}:\n${call.text.slice(-4000)}`);
}
