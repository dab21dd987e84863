import { describe, expect, test } from "vitest";
import {
  refuseProgram,
  systemdExec,
  systemdListPath,
  systemdNames,
  systemdPath,
  systemdText,
} from "../../../src/writers/systemd.ts";
import { systemdCalendar } from "../../../src/writers/systemd-calendar.ts";
import { UnwritableError } from "../../../src/writers/written.ts";

describe("command lines", () => {
  test.each([
    [["/usr/bin/x", "--a=b", "c,d"], "/usr/bin/x --a=b c,d"],
    [["/x", "100%", "$HOME", "${HOME}"], '/x 100%% $$HOME "$${HOME}"'],
    [["/x", 'he said "hi"', "", "a\nb\\", ";"], '/x "he said \\"hi\\"" "" "a\\nb\\\\" ";"'],
    [["/opt/my app/x y", "'"], '"/opt/my app/x y" "\'"'],
    [["/x", "-y", "@z", "+1"], '/x -y "@z" +1'.replace('"@z"', "@z")],
  ])("%j", (words, line) => {
    expect(systemdExec(words).text).toBe(line);
  });

  test.each(["", "-/usr/bin/x", "+/x", "!/x", "!!/x", "@/x", ":/x", "|/x", "/opt/$x/y", "/opt/"])(
    "%j is no program",
    (program) => {
      expect(refuseProgram(program)).toBeDefined();
      expect(() => systemdExec([program])).toThrow(UnwritableError);
    },
  );
});

describe("paths", () => {
  test.each([
    ["/srv/backups", "/srv/backups"],
    ["/srv/my backups", '"/srv/my backups"'],
    ["/srv/50%off/b", "/srv/50%%off/b"],
    ['/srv/a"b', '"/srv/a\\"b"'],
    ["/srv/a\\b", '"/srv/a\\\\b"'],
    ["/srv/a,b", "/srv/a,b"],
    ["/srv/it's", '"/srv/it\'s"'],
    ["/srv/$HOME;x#", '"/srv/$HOME;x#"'],
    ["/srv/ä", '"/srv/ä"'],
  ])("%j in a list", (path, text) => {
    expect(systemdListPath(path).text).toBe(text);
  });

  test("the prefix stands inside the quotes", () => {
    expect(systemdListPath("/srv/my backups", "-").text).toBe('"-/srv/my backups"');
  });

  test.each(["/srv/a\nb", "/srv/\0", "srv", "-/srv", "/srv/\ud800"])("%j is refused", (path) => {
    expect(() => systemdListPath(path)).toThrow(UnwritableError);
  });

  test.each(["/srv/x ", "/srv/x\\", "relative"])("%j is no whole value", (path) => {
    expect(() => systemdPath(path)).toThrow(UnwritableError);
  });
});

test("text doubles what begins a specifier, and ends where its line ends", () => {
  expect(systemdText("50% of $x \\ y").text).toBe("50%% of $x \\ y");
  for (const value of ["a\nExecStart=/x", " a", "a\\"])
    expect(() => systemdText(value)).toThrow(UnwritableError);
});

test("names need no quoting", () => {
  expect(systemdNames(["a.service", "b@1.timer"]).text).toBe("a.service b@1.timer");
  for (const value of ["", "a b", "a%i", 'a"', "a\\x20b", "a\n"])
    expect(() => systemdNames(value)).toThrow(UnwritableError);
});

describe("calendar", () => {
  test.each([
    "daily",
    "*-*-* 03:00",
    "Mon..Fri 9:00",
    "Mon,Tue *-*-01..07",
    "*-*~3",
    "*-*-* 0/2:00",
    "*:0/15",
    "03:00 UTC",
    "*-*-* 03:00 Europe/Berlin",
    "Sat,Sun",
    "10-12 3:00",
  ])("%s", (expression) => {
    expect(systemdCalendar(expression).text).toBe(expression);
  });

  test.each([
    "",
    "*-*-* 24:00",
    "*-13-1",
    "*/2:00",
    "Mon, Tue 3:00",
    "Mon Tue 3:00",
    "3..1:00",
    "*-*-0 1:00",
    "*-*-31~1",
    "1:2:3:4",
    "2026-*-* 3",
    "*-*-* 03:00 Europe/Nowhere",
    "every day",
    "Fri..Mon 3:00",
  ])("%j is refused", (expression) => {
    expect(() => systemdCalendar(expression)).toThrow(UnwritableError);
  });
});
