import { describe, expect, it } from "vitest";
import { LoginDialogue } from "../../../../templates/stacks/dxcluster/scraper/src/login.ts";

const credentials = { callsign: "N0CALL", password: null, commands: ["unset/beep", "set/dxgrid"] };

describe("LoginDialogue", () => {
  it.each([
    ["DXSpider", "login: "],
    ["AR-Cluster", "Please enter your call: "],
    ["CC Cluster", "Please enter your call:"],
    ["RBN", "Please enter your callsign: "],
    ["CW Skimmer", "Please enter your callsign:"],
    ["with a hint", "Enter your call sign (no SSID) > "],
    ["old telnet ports", "Username: "],
  ])("gives its callsign to %s", (_program, prompt) => {
    const dialogue = new LoginDialogue(credentials);
    expect(dialogue.hear(prompt)).toEqual(["N0CALL"]);
    expect(dialogue.phase).toBe("called");
  });

  it("is not fooled by a banner that speaks of calls", () => {
    const dialogue = new LoginDialogue(credentials);
    for (const line of [
      "Welcome to the W1ABC cluster, your call for DX.",
      "Last login: yesterday at noon",
      "Callsigns of our sysops: see below, thanks",
      "=== login required ===",
    ]) {
      expect(dialogue.hear(line)).toEqual([]);
    }
    expect(dialogue.phase).toBe("waiting");
  });

  it("sends its commands after the first words of welcome, once, and not after its own echo", () => {
    const dialogue = new LoginDialogue(credentials);
    dialogue.hear("login: ");
    expect(dialogue.hear("N0CALL")).toEqual([]);
    expect(dialogue.hear("Hello N0CALL, this is GB7DJK in Dereham")).toEqual([
      "unset/beep",
      "set/dxgrid",
    ]);
    expect(dialogue.hear("N0CALL de GB7DJK 21-Nov-2026 0101Z dxspider >")).toEqual([]);
    expect(dialogue.phase).toBe("in");
  });

  it("answers a password prompt when it has one, and gives up when it has none", () => {
    const armed = new LoginDialogue({ ...credentials, password: "sesame" });
    armed.hear("login: ");
    expect(armed.hear("password: ")).toEqual(["sesame"]);
    const bare = new LoginDialogue(credentials);
    bare.hear("login: ");
    expect(bare.hear("password: ")).toEqual([]);
    expect(bare.phase).toBe("refused");
  });

  it.each([
    'Sorry "N0CALL" is an invalid callsign',
    "login: ",
    "N0CALL is not a valid callsign",
    "Sorry, this call is locked out",
  ])("knows a refusal: %s", (line) => {
    const dialogue = new LoginDialogue(credentials);
    dialogue.hear("login: ");
    dialogue.hear(line);
    expect(dialogue.phase).toBe("refused");
  });

  it("calls into the silence of a node that asks for nothing, then takes silence for consent", () => {
    const dialogue = new LoginDialogue(credentials);
    expect(dialogue.waited()).toEqual(["N0CALL"]);
    expect(dialogue.waited()).toEqual(["unset/beep", "set/dxgrid"]);
    expect(dialogue.waited()).toEqual([]);
  });
});
