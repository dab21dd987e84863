/** Lines on stderr; under systemd with the priority its journal reads from a prefix. */
const priorities = { error: 3, warning: 4, info: 6 } as const;

export type Log = (priority: keyof typeof priorities, text: string) => void;

export const log: Log = (priority, text) => {
  const prefix = process.env["JOURNAL_STREAM"] === undefined ? "" : `<${priorities[priority]}>`;
  process.stderr.write(text.replace(/^/gm, prefix) + "\n");
};
